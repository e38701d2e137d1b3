import fastify, { type FastifyError, type FastifyReply } from "fastify";
import { ConfigError, messageOf } from "../core/errors.ts";
import { halvedIn, isHalved } from "../core/half-character.ts";
import type { Logger } from "../core/log.ts";
import { portOf } from "../core/port-of.ts";
import { problemType } from "../core/problem-type.ts";
import { describeIssues } from "../core/schema-issues.ts";
import { type AccessOptions, accessRefusal } from "./access.ts";
import { type InjectedFault, withFaults } from "./faults.ts";
import { type Participant, Refusal, ReplyLost } from "./participant.ts";
import { participantHeader } from "./protocol.ts";

export interface ServeOptions extends AccessOptions {
  readonly participants: readonly Participant[];
  /** @default 127.0.0.1 */
  readonly host?: string;
  /** 0 takes a free one. @default 0 */
  readonly port?: number;
  readonly faults?: readonly InjectedFault[];
}

export interface Served {
  readonly port: number;
  /** Ends the calls under way and takes no more. May be called twice. */
  close(): Promise<void>;
}

const healthPath = "/healthz";
const maxBodyBytes = 1024 * 1024;

/**
 * Serves participants over HTTP: `POST /<participant>/<verb>` with the request as JSON. Answers: 200 with the response as JSON, 409 for a
 * refusal, 400 for a request that does not fit, 404, 500 for a fault; what is not 200 is `application/problem+json`. All of them name the
 * participant in a header (protocol.ts). `GET /healthz`, for which no token is needed. Who may call says access.ts.
 */
export async function serveParticipants(
  { participants, host = "127.0.0.1", port = 0, faults = [], token, hosts = [] }: ServeOptions,
  { logger }: { readonly logger: Logger },
): Promise<Served> {
  const server = fastify({
    bodyLimit: maxBodyBytes,
    requestTimeout: 30_000,
    connectionTimeout: 30_000,
    forceCloseConnections: "idle",
  });
  // Behind the hook that names the participant: a caller has to know whose refusal it reads. Before anything of the body is read.
  server.addHook("preParsing", async ({ headers, routeOptions }, reply) => {
    const access = { token: routeOptions.url === healthPath ? undefined : token, hosts: [host, ...hosts] };
    const refusal = accessRefusal(headers, access);
    if (refusal) return problem(reply, refusal.status, refusal.type, refusal.detail);
  });
  server.get(healthPath, () => ({ ok: true }));
  for (const { name, verbs } of participants) {
    for (const [verb, { request, run }] of Object.entries(verbs)) {
      const ours = faults.filter((fault) => fault.participant === name && (fault.verb ?? verb) === verb);
      const onRequest = async (_: unknown, reply: FastifyReply) => void reply.header(participantHeader, name);
      server.post(`/${name}/${verb}`, { onRequest }, async ({ body }, reply) => {
        if (isHalved(body)) return problem(reply, 400, "InvalidRequest", `half-character: ${halvedIn("request")}`);
        const parsed = await request["~standard"].validate(body);
        if (parsed.issues) return problem(reply, 400, "InvalidRequest", describeIssues(parsed.issues));
        try {
          return (await withFaults(ours, () => run(parsed.value as never))) ?? null;
        } catch (error) {
          if (error instanceof Refusal) return problem(reply, 409, error.type, error.message);
          if (error instanceof ReplyLost) return reply.hijack().raw.destroy();
          logger.warn({ participant: name, verb, error: messageOf(error) }, "a participant failed");
          // What went wrong inside is for the log.
          return problem(reply, 500, "Fault", `${name} could not do it`);
        }
      });
    }
  }
  server.setNotFoundHandler(({ url }, reply) => problem(reply, 404, "NotFound", `there is no ${url}`));
  server.setErrorHandler((error: FastifyError, _, reply) =>
    problem(reply, error.statusCode ?? 500, "InvalidRequest", error.message),
  );
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw new ConfigError("stack.port", `participants cannot listen at ${host}:${port}: ${messageOf(error)}`, {
      cause: error,
      hint: "Choose another HOST or PORT; PORT=0 takes a free one.",
    });
  }
  return { port: portOf(server.server), close: () => server.close() };
}

const problem = (reply: FastifyReply, status: number, type: string, detail: string) =>
  reply.code(status).type(problemType).send({ type, title: type, status, detail });
