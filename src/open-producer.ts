import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { types } from "node:util";
import { type Durability, durabilityKinds, toDurability } from "./bus/durability.ts";
import type { Accepted } from "./bus/partition-queue.ts";
import type { Bus } from "./bus/port.ts";
import type { Producer } from "./bus/producer.ts";
import type { BreakerOptions } from "./bus/producer-breaker.ts";
import { systemClock } from "./core/clock.ts";
import { ConfigError, TerminalError } from "./core/errors.ts";
import { eventId, uuidOf } from "./core/hash.ts";
import { type Logger, silentLogger } from "./core/log.ts";
import type { EventDraft } from "./dsl/event.ts";
import type { DraftFor, Stream } from "./dsl/stream.ts";

export type { Accepted, BreakerOptions, Durability };

/** How a producer reaches Redis, and what it does while Redis is away. */
export interface OpenProducerOptions {
  /** `redis://user:password@host:6379/0`, over TLS `rediss://…` */
  readonly redisUrl: string;
  /** The authorities to trust and the client's certificate, as PEM; for `rediss://`. @default the authorities of Node, no certificate */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /**
   * Names the producer in the frames. Give a fixed one to a program that is started again and again: Redis keeps a few bytes
   * for each name, for a week. Each start is a new incarnation of it; of two that run at once one, as a rule the older, stops
   * with `producer.superseded`. What the last start had not stored is sent again by whoever has it, under the same event ids.
   * @default a name of this process alone
   */
  readonly name?: string;
  /**
   * What `stored` stands for. `memory`: the event is in Redis. `fsync`: it is on the disk of that server, so it outlives a crash
   * of the machine; needs `appendonly yes`, and Redis 7.2 (any Valkey) or `appendfsync always`. `replica`: it is in the memory of
   * `replicas` replicas too, so it outlives the server where one of those takes over.
   * @default "memory"
   */
  readonly durability?: Durability["kind"];
  /** How many replicas have to confirm, at the level `replica`. @default 1 */
  readonly replicas?: number;
  /** How long Redis may take to answer and to confirm, milliseconds; then the frame is sent again. @default 5000 */
  readonly ackTimeoutMs?: number;
  /** How long an event waits for others to share its frame, milliseconds: longer makes fewer and larger frames. @default 20 */
  readonly lingerMs?: number;
  /** Deflate the frames: a fifth of the memory in Redis for some work on both sides. @default false */
  readonly deflate?: boolean;
  /** What the events that are not stored yet may measure as JSON, bytes; above it `send` waits. @default 64 MiB */
  readonly maxBufferedBytes?: number;
  /**
   * How long `send` may wait for room, milliseconds. Then it refuses the event with a RetryableError that carries `retryAfterMs`;
   * while the breaker is open, at once: for whoever has a caller of their own to answer, such as an HTTP server (429 and 503
   * with Retry-After). 0 never waits.
   * @default without end: `send` waits for as long as Redis is away, as `headrace send` does, and never refuses
   */
  readonly maxWaitMs?: number;
  /**
   * When Redis counts as ill: after 5 failures in a row, or when an answer takes 3 s. A second later one frame probes it;
   * an answer in good time closes the breaker.
   * @default { failures: 5, slowMs: 3000, openMs: 1000 }
   */
  readonly breaker?: BreakerOptions;
  /** How long to go on trying to store what was accepted, milliseconds; then `stored` rejects. @default without end */
  readonly giveUpAfterMs?: number;
  /** Gives up what is not stored yet. @default none */
  readonly signal?: AbortSignal;
  /** Told when Redis goes away and comes back. @default silent */
  readonly logger?: Logger;
}

/** Sends events to one stream, from any program. */
export interface StreamProducer<in Draft> {
  /**
   * Queues an event, and resolves when there is room for the next one: await it, and a slow Redis slows the caller down.
   * `stored` resolves when the event is kept at the level of `durability`; until then it is tried again and again, and stored once.
   * An event is named by its source and its id. Sent again under its name, with the time that it had, it is the same event; without an id
   * it is a new one. An event whose `send` rejects was not accepted. `traceparent` (W3C Trace Context) goes with it, to the stages that
   * see it, to what they derive from it, into workflows that are called for it, and to whoever listens to a worker's telemetry.
   * @throws TerminalError when the data does not fit the schema; where `maxWaitMs` is set RetryableError with `retryAfterMs`
   *   (`producer.overloaded`: no room in time, `service.unreachable`: Redis is ill); ConfigError `producer.closed`
   */
  send(
    draft: Draft,
    options?: { readonly id?: string; readonly source?: string; readonly traceparent?: string },
  ): Promise<Accepted>;
  /** Resolves when everything that was sent is stored. */
  flush(): Promise<void>;
  /** Flushes, then closes the connections; `send` rejects from now on. May be called again. */
  close(): Promise<void>;
}

/**
 * Opens a producer: events are packed into frames and stored in order per key, each once, also when Redis goes away and an
 * answer is lost.
 *
 * @throws RetryableError when no Redis answers at the address, or too few replicas confirm; ConfigError when an option is wrong
 *   or the server cannot give the level of `durability`
 * @example
 * ```ts
 * const producer = await openProducer(logins, { redisUrl: "redis://127.0.0.1:6379", durability: "fsync" });
 * const { stored } = await producer.send(loginFailed({ userId: "ada", ip: "203.0.113.7" }));
 * await stored;
 * await producer.close();
 * ```
 */
export async function openProducer<E>(
  stream: Stream<E>,
  { redisUrl, tls, name = uniqueName(), logger = silentLogger, signal, ...options }: OpenProducerOptions,
): Promise<StreamProducer<DraftFor<E>>> {
  if (name.length < 1 || name.length > 128) throw wrong(`name '${name}'`, "1 to 128 characters");
  const durability = durabilityOf(options);
  checkNumbers(options);
  // Loaded here, so that a file that only declares a pipeline loads no driver.
  const [{ openRedisBus }, { Producer }] = await Promise.all([import("./bus/redis/bus.ts"), import("./bus/producer.ts")]);
  const bus = await openRedisBus({ url: redisUrl, tls, logger });
  try {
    await bus.checkDurability(durability);
  } catch (error) {
    await bus.close();
    throw error;
  }
  const deps = { bus, clock: systemClock, logger, ...(signal && { signal }) };
  return streamProducer(bus, new Producer({ ...options, stream: stream.plan, producer: `app/${name}`, durability }, deps));
}

const uniqueName = () => `${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;

function durabilityOf({ durability = "memory", replicas, ackTimeoutMs }: Omit<OpenProducerOptions, "redisUrl">): Durability {
  if (!durabilityKinds.includes(durability)) throw wrong(`durability '${durability}'`, "memory, fsync or replica");
  return toDurability(durability, { replicas, timeoutMs: ackTimeoutMs });
}

function checkNumbers({
  replicas,
  ackTimeoutMs,
  lingerMs,
  maxBufferedBytes,
  maxWaitMs,
  giveUpAfterMs,
  breaker,
}: Omit<OpenProducerOptions, "redisUrl">): void {
  const least = {
    replicas: [replicas, 1],
    ackTimeoutMs: [ackTimeoutMs, 1],
    lingerMs: [lingerMs, 0],
    maxBufferedBytes: [maxBufferedBytes, 1],
    maxWaitMs: [maxWaitMs, 0],
    giveUpAfterMs: [giveUpAfterMs, 0],
    "breaker.failures": [breaker?.failures, 1],
    "breaker.slowMs": [breaker?.slowMs, 1],
    "breaker.openMs": [breaker?.openMs, 1],
  } as const;
  for (const [name, [value, minimum]] of Object.entries(least)) {
    if (value !== undefined && !(Number.isInteger(value) && value >= minimum && value < 2 ** 31))
      throw wrong(`${name} ${value}`, `a whole number from ${minimum} to ${2 ** 31 - 1}`);
  }
}

const wrong = (what: string, wanted: string) =>
  new ConfigError("usage", `openProducer: ${what} is wrong`, { hint: `Give ${wanted}.` });

function streamProducer(bus: Bus, producer: Producer): StreamProducer<EventDraft<string, unknown>> {
  let closing: Promise<void> | undefined;
  return {
    send: ({ type, data, time = new Date() }, { id, source, traceparent } = {}) => {
      const fault = faultOf("id", id) ?? faultOf("source", source) ?? faultOf("traceparent", traceparent);
      if (fault) return Promise.reject(fault);
      return producer.send({
        id: id === undefined ? uuidOf(randomBytes(16).toString("hex")) : eventId(id, source),
        type,
        // Also a Date of another realm, as test runners have them; anything else is no valid time.
        time: types.isDate(time) ? time.getTime() : Number.NaN,
        source,
        traceparent,
        data,
      });
    },
    flush: () => producer.flush(),
    close: () => {
      closing ??= closeBoth(producer, bus);
      return closing;
    },
  };
}

/** What is wrong with an attribute: plain JavaScript may give anything. */
function faultOf(name: "id" | "source" | "traceparent", value: unknown): TerminalError | undefined {
  if (value === undefined || (typeof value === "string" && (value !== "" || name !== "id"))) return undefined;
  return new TerminalError("event.invalid", `the event's ${name} is ${value === "" ? "empty" : "no text"}`, {
    hint: `Give a text, or no ${name}.`,
  });
}

async function closeBoth(producer: Producer, bus: Bus): Promise<void> {
  try {
    await producer.close();
  } finally {
    await bus.close();
  }
}
