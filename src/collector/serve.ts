import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from "fastify";
import { ConfigError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { isOwnHost } from "../core/own-host.ts";
import { portOf } from "../core/port-of.ts";
import { problemType } from "../core/problem-type.ts";
import type { Answer } from "./answer.ts";
import type { BodyMemory } from "./body-memory.ts";
import type { Door } from "./door.ts";
import { splitRequest } from "./formats.ts";
import type { OutwardBreaker } from "./pressure.ts";
import { Problem, problems } from "./problem.ts";
import { readBody } from "./read-body.ts";

export interface CollectorOptions {
  /** By the name of the stream. */
  readonly doors: ReadonlyMap<string, Door>;
  /** How requests are met, as Redis is. */
  readonly breaker: OutwardBreaker;
  /** What requests may take of memory together. */
  readonly bodies: BodyMemory;
  /** Where it listens. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Names under which it is called beside `localhost` and the addresses of the machine. */
  readonly hosts: readonly string[];
}

export interface ServedCollector {
  readonly port: number;
  /** Refuses new requests, and resolves when those under way are answered. May be called twice. */
  close(): Promise<void>;
}

/** Bounds of a request, milliseconds and bytes. Bodies have bounds of their own: see read-body.ts. */
const bounds = { headersMs: 5_000, requestMs: 15_000, headerBytes: 16 * 1024 } as const;

/** How long a client waits before it sends again what was to be tried again, seconds. */
const retryAfter = 1;

type EventsRequest = FastifyRequest<{ Params: { readonly stream: string } }>;
type Collector = Pick<CollectorOptions, "doors" | "breaker" | "bodies">;

/** Every address of a collector, and what answers there. */
const routes = [
  { method: "POST", url: "/v1/streams/:stream/events", handle: takeEvents },
  { method: "OPTIONS", url: "/v1/streams/:stream/events", handle: allowPage },
] as const;

/**
 * Serves doors over HTTP: `POST /v1/streams/<stream>/events`. Each event of a request is answered by its index with 200; a request that is
 * refused as a whole is answered with `application/problem+json`, and nothing of it was stored.
 * @throws ConfigError `stack.port` where it cannot listen
 */
export async function serveCollector(
  { host, port, hosts, ...collector }: CollectorOptions,
  { logger }: { readonly logger: Logger },
): Promise<ServedCollector> {
  const server = fastify({
    http: {
      headersTimeout: bounds.headersMs,
      requestTimeout: bounds.requestMs,
      maxHeaderSize: bounds.headerBytes,
      connectionsCheckingInterval: 1_000,
    },
    requestTimeout: bounds.requestMs,
    forceCloseConnections: "idle",
    clientErrorHandler: refuseUnread,
    frameworkErrors: ({ message }, _, reply) => void problem(reply, new Problem("malformed", message)),
  });
  const calls = countCalls();
  server.addHook("onRequest", async ({ headers }, reply) => {
    calls.begin(reply);
    if (!isOwnHost(headers.host ?? "", hosts))
      throw new Problem("forbidden", "the Host of this request is none of this collector's: name it in HEADRACE_COLLECTOR_HOSTS");
  });
  // Bodies are read by the door, within the limits of its stream.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", (_, __, done) => done(null));
  for (const { method, url, handle } of routes)
    server.route<{ Params: { readonly stream: string } }>({
      method,
      url,
      handler: (request, reply) => handle(collector, request, reply),
    });
  server.setNotFoundHandler(({ url }, reply) => problem(reply, new Problem("not-found", `there is no ${url.slice(0, 200)}`)));
  server.setErrorHandler((error: FastifyError, _, reply) => {
    if (error instanceof Problem) return problem(reply, error);
    if (error.statusCode === 415) return problem(reply, new Problem("unsupported", error.message));
    logger.error({ error: messageOf(error) }, "the collector has failed at a request");
    // What went wrong inside is for the log.
    return problem(reply, new Problem("failed", "the collector could not answer: what has become of the events is not known"));
  });
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw new ConfigError("stack.port", `the collector cannot listen at ${host}:${port}: ${messageOf(error)}`, {
      cause: error,
      hint: "Choose another --port or HOST; port 0 takes a free one.",
    });
  }
  let closing: Promise<void> | undefined;
  return {
    port: portOf(server.server),
    close: () => {
      closing ??= calls.end().then(() => server.close());
      return closing;
    },
  };
}

/** Requests under way: at the end, those that begin are refused, and those that have begun are answered. */
function countCalls() {
  let underWay = 0;
  let settled: (() => void) | undefined;
  return {
    begin(reply: FastifyReply) {
      if (settled) throw new Problem("overloaded", "the collector is stopping: send this to another one", { retryAfter });
      underWay++;
      reply.raw.once("close", () => {
        if (--underWay === 0) settled?.();
      });
    },
    end: () =>
      new Promise<void>((resolve) => {
        settled = resolve;
        if (underWay === 0) resolve();
      }),
  };
}

async function takeEvents(collector: Collector, { params, headers, raw }: EventsRequest, reply: FastifyReply): Promise<Answer> {
  const { doors, breaker, bodies } = collector;
  const door = doorOf(doors, params.stream);
  allowOrigin(door, headers.origin, reply);
  const verdict = breaker.meet();
  if (verdict.kind === "refuse")
    throw new Problem("overloaded", `events cannot be stored at present (${verdict.because}): nothing of this was read`, {
      retryAfter,
    });
  if (verdict.kind === "take" && verdict.delayMs > 0) await sleep(verdict.delayMs);
  const memory = bodies.open();
  try {
    const body = await readBody(raw, {
      encoding: headers["content-encoding"],
      length: headers["content-length"],
      limits: door.plan,
      hold: memory.hold,
    });
    const incoming = splitRequest(headers, body);
    const grant = await door.limit(raw.socket.remoteAddress ?? "", incoming.events.length);
    if (grant) reply.headers(grant.headers);
    if (grant?.granted === 0 && incoming.events.length > 0)
      throw new Problem(
        "rate-limited",
        "this address sends more events than the stream takes of one: nothing of this was stored",
        grant,
      );
    const barred = verdict.kind === "retry" ? "overloaded" : undefined;
    const answer = await door.accept(incoming, { barred, granted: grant?.granted });
    if (verdict.kind === "take" && verdict.isProbe) breaker.probed(answer.stored > 0 && answer.retry === 0);
    if (answer.retry > 0) reply.header("retry-after", Math.max(retryAfter, grant?.retryAfter ?? 0));
    return answer;
  } finally {
    memory.close();
  }
}

/** What a browser asks before a page of another origin may send. */
async function allowPage({ doors }: Collector, { params, headers }: EventsRequest, reply: FastifyReply): Promise<FastifyReply> {
  allowOrigin(doorOf(doors, params.stream), headers.origin, reply);
  return reply
    .code(204)
    .header("access-control-allow-methods", "POST")
    .header("access-control-allow-headers", "content-type, content-encoding")
    .header("access-control-max-age", 600)
    .send();
}

function doorOf(doors: Collector["doors"], stream: string): Door {
  const door = doors.get(stream);
  if (door) return door;
  throw new Problem(
    "not-found",
    `no stream '${stream.slice(0, 100)}' takes events here; there are ${[...doors.keys()].join(", ")}`,
  );
}

/** Pages of other origins may send where the stream names them; what is no browser sends no origin. */
function allowOrigin({ plan }: Door, origin: string | undefined, reply: FastifyReply): void {
  if (origin === undefined) return;
  reply.header("vary", "origin");
  if (!plan.origins.includes(origin))
    throw new Problem(
      "forbidden",
      `pages of ${origin.slice(0, 200)} may not send here: the stream's door lists the origins that may`,
    );
  reply
    .header("access-control-allow-origin", origin)
    .header("access-control-expose-headers", "retry-after, ratelimit, ratelimit-policy");
}

function bodyOf({ problem: name, message }: Problem) {
  const { status, title } = problems[name];
  return { type: `headrace:${name}`, title, status, detail: message };
}

function problem(reply: FastifyReply, fault: Problem) {
  const body = bodyOf(fault);
  if (fault.retryAfter !== undefined) reply.header("retry-after", fault.retryAfter);
  // What is left of the body is not read.
  if (body.status === 413 || body.status === 408) reply.header("connection", "close");
  return reply.code(body.status).type(problemType).send(body);
}

/** Answers what is no request, or none that has come in time. */
function refuseUnread({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const fault = unreadOf(code);
  const { status } = problems[fault.problem];
  const body = JSON.stringify(bodyOf(fault));
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

function unreadOf(code: string | undefined): Problem {
  const { headersMs, requestMs, headerBytes } = bounds;
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new Problem("headers-too-large", `the headers measure more than ${headerBytes} bytes`);
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new Problem("too-slow", `headers have ${headersMs / 1_000} s to come, and the whole request ${requestMs / 1_000} s`);
    default:
      return new Problem("malformed", "this is no HTTP request");
  }
}
