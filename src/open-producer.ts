import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Bus } from "./bus/port.ts";
import type { Producer } from "./bus/producer.ts";
import { systemClock } from "./core/clock.ts";
import { eventId, uuidOf } from "./core/hash.ts";
import { type Logger, silentLogger } from "./core/log.ts";
import type { EventDraft } from "./dsl/event.ts";
import type { DraftFor, Stream } from "./dsl/stream.ts";

export interface OpenProducerOptions {
  /** `redis://user:password@host:6379/0` */
  readonly redisUrl: string;
  /** Told when Redis goes away and comes back. @default silent */
  readonly logger?: Logger;
}

/** Sends events to one stream, from any program. */
export interface StreamProducer<in Draft> {
  /**
   * Queues an event, and resolves when there is room for the next one: await it, and a slow Redis slows the caller down.
   * `stored` resolves when the event is in Redis. An event sent again under its id is the same event; without an id it is a new one.
   * @throws TerminalError when the data does not fit the schema
   */
  send(draft: Draft, options?: { readonly id?: string }): Promise<{ readonly stored: Promise<void> }>;
  /** Resolves when everything that was sent is in Redis. */
  flush(): Promise<void>;
  /** Flushes, then closes the connection. */
  close(): Promise<void>;
}

/**
 * Opens a producer: events are packed into frames and stored in order per key, each once, also when Redis goes away and an
 * answer is lost.
 *
 * @throws RetryableError when no Redis answers at the address
 * @example
 * ```ts
 * const producer = await openProducer(logins, { redisUrl: "redis://127.0.0.1:6379" });
 * await producer.send(loginFailed({ userId: "ada", ip: "203.0.113.7" }));
 * await producer.close();
 * ```
 */
export async function openProducer<E>(
  stream: Stream<E>,
  { redisUrl, logger = silentLogger }: OpenProducerOptions,
): Promise<StreamProducer<DraftFor<E>>> {
  // Loaded here, so that a file that only declares a pipeline loads no driver.
  const [{ openRedisBus }, { Producer }] = await Promise.all([import("./bus/redis/bus.ts"), import("./bus/producer.ts")]);
  const bus = await openRedisBus({ url: redisUrl, logger });
  const name = `app/${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  return streamProducer(bus, new Producer({ stream: stream.plan, producer: name }, { bus, clock: systemClock, logger }));
}

function streamProducer(bus: Bus, producer: Producer): StreamProducer<EventDraft<string, unknown>> {
  return {
    send: ({ type, data, time = new Date() }, { id } = {}) =>
      producer.send({
        id: id === undefined ? uuidOf(randomBytes(16).toString("hex")) : eventId(id),
        type,
        time: time.getTime(),
        source: undefined,
        traceparent: undefined,
        data,
      }),
    flush: () => producer.flush(),
    close: async () => {
      try {
        await producer.flush();
      } finally {
        await bus.close();
      }
    },
  };
}
