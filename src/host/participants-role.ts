import { hostname } from "node:os";
import { aborted } from "../core/aborted.ts";
import { openAll } from "../core/open-resources.ts";
import type { InjectedFault } from "../participant/faults.ts";
import type { Participant } from "../participant/participant.ts";
import { serveParticipants } from "../participant/serve.ts";
import { type ActivityStore, activityStore } from "./activity-store.ts";
import type { ReadyRole, Role, RoleContext } from "./role.ts";
import { openRedis } from "./services.ts";

export interface ParticipantsRoleOptions {
  readonly createParticipants: (deps: { readonly redis: ActivityStore }) => readonly Participant[];
  /** Where to listen. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What callers have to send; where there is none, anyone may call. */
  readonly token: string | undefined;
  /** Names under which they are called beside those of the machine. */
  readonly hosts: readonly string[];
  /** What they do wrong on purpose. */
  readonly faults: readonly InjectedFault[];
}

/** Serves participants of sagas, each to be found in the registry by its name. */
export const participantsRole = (options: ParticipantsRoleOptions): Role => ({
  name: "participants",
  open: (context) => openParticipants(context, options),
});

async function openParticipants(
  { logger, at }: RoleContext,
  { createParticipants, host, port, token, hosts, faults }: ParticipantsRoleOptions,
): Promise<ReadyRole> {
  return openAll(async (opened) => {
    const redis = opened.add(await openRedis(at.redis(), logger, "headrace-participants"), (one) => one.close());
    const participants = createParticipants({ redis: activityStore(redis) });
    const door = { host, port, token, hosts: [hostname(), ...hosts] };
    const served = await serveParticipants({ participants, faults, ...door }, { logger });
    opened.add(served, (one) => one.close());
    // Whoever listens everywhere is found under the name of the machine.
    const url = `http://${host === "0.0.0.0" || host === "::" ? hostname() : host}:${served.port}`;
    return {
      addresses: Object.fromEntries(participants.map(({ name }) => [name, url])),
      async run(stop) {
        await aborted(stop);
        await served.close();
      },
      close: () => opened.close(),
    };
  });
}
