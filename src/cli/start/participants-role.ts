import { hostname } from "node:os";
import { aborted } from "../../core/aborted.ts";
import { ConfigError } from "../../core/errors.ts";
import { isLoopback } from "../../core/loopback.ts";
import type { Participant } from "../../participant/participant.ts";
import { serveParticipants } from "../../participant/serve.ts";
import { loadExport } from "../load-app.ts";
import { openRedis, type Whereabouts } from "../services.ts";
import { activityStore } from "./activity-store.ts";
import { givenToken, participantsToken } from "./participants-token.ts";
import type { Role } from "./role.ts";

/** Where an application says what it serves. */
export const participantsModule = { module: "activities/index", name: "createParticipants" } as const;

/** Serves the participants that `createParticipants(deps)` of `activities/index.ts` makes, each to be found in the registry by its name. */
export const participantsRole: Role = async ({ logger, where, faults }) => {
  const createParticipants = await loadExport<(deps: object) => readonly Participant[]>(where.cwd, {
    ...participantsModule,
    hint: "Export createParticipants(deps): what the role participants serves.",
  });
  const host = process.env["HOST"] || "127.0.0.1";
  const token = tokenFor(host, where);
  const hosts = (process.env["HEADRACE_PARTICIPANTS_HOSTS"] ?? "").split(",").filter((name) => name.trim() !== "");
  const redis = await openRedis(where, logger, "headrace-participants");
  const participants = createParticipants({ redis: activityStore(redis) });
  const served = await serveParticipants(
    { participants, host, port: Number(process.env["PORT"] ?? 0), faults, token, hosts: [hostname(), ...hosts] },
    { logger },
  );
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

/** A file of this machine is none of another's: who listens beyond it shares a token by the environment. */
function tokenFor(host: string, where: Whereabouts): string {
  const token = isLoopback(host) ? participantsToken(where) : givenToken();
  if (token !== undefined) return token;
  throw new ConfigError("config.environment", `participants would take calls from everyone who reaches ${host}`, {
    hint: "Set HEADRACE_PARTICIPANTS_TOKEN (or HEADRACE_PARTICIPANTS_TOKEN_FILE) to the same secret for them and for the saga workers.",
  });
}
