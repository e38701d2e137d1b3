import { hostname } from "node:os";
import { aborted } from "../../core/aborted.ts";
import type { Participant } from "../../participant/participant.ts";
import { serveParticipants } from "../../participant/serve.ts";
import { loadExport } from "../load-app.ts";
import { openRedis } from "../services.ts";
import { activityStore } from "./activity-store.ts";
import type { Role } from "./role.ts";

/** Where an application says what it serves. */
export const participantsModule = { module: "activities/index", name: "createParticipants" } as const;

/** Serves the participants that `createParticipants(deps)` of `activities/index.ts` makes, each to be found in the registry by its name. */
export const participantsRole: Role = async ({ logger, where, faults }) => {
  const createParticipants = await loadExport<(deps: object) => readonly Participant[]>(where.cwd, {
    ...participantsModule,
    hint: "Export createParticipants(deps): what the role participants serves.",
  });
  const redis = await openRedis(where, logger, "headrace-participants");
  const participants = createParticipants({ redis: activityStore(redis) });
  const host = process.env["HOST"] || "127.0.0.1";
  const served = await serveParticipants({ participants, host, port: Number(process.env["PORT"] ?? 0), faults }, { logger });
  // Whoever listens everywhere is found under the name of the machine.
  const url = `http://${host === "0.0.0.0" || host === "::" ? hostname() : host}:${served.port}`;
  return {
    addresses: Object.fromEntries(participants.map(({ name }) => [name, url])),
    async run(stop) {
      await aborted(stop);
      await served.close();
      await redis.close();
    },
  };
};
