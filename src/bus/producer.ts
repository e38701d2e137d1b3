import type { Clock } from "../core/clock.ts";
import { isDate } from "../core/dates.ts";
import { ConfigError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import { isHalved, mayBeHalved } from "../core/half-character.ts";
import type { Logger } from "../core/log.ts";
import { nth } from "../core/nth.ts";
import { Outage } from "../core/outage.ts";
import { describeIssues } from "../core/schema-issues.ts";
import { partitionKey, type StreamPlan } from "../plan/plan.ts";
import { BufferLimit } from "./buffer-limit.ts";
import type { Durability } from "./durability.ts";
import { type Envelope, envelopeJson } from "./envelope.ts";
import { halved, isTooDeep, maxEventBytes, tooDeep, tooLarge } from "./event-limits.ts";
import { partitionIndex, partitionsOf } from "./partition.ts";
import { type Accepted, PartitionQueue } from "./partition-queue.ts";
import type { AppendLog } from "./port.ts";
import { type BreakerOptions, ProducerBreaker } from "./producer-breaker.ts";
import { Sender } from "./sender.ts";

export interface ProducerOptions {
  readonly stream: StreamPlan;
  /** Names the producer in the frames. Two that run at once must not share a name. */
  readonly producer: string;
  /** Larger than at the last start under the same name. @default the time in milliseconds */
  readonly incarnation?: number;
  /** How long an event waits for others to share its frame, milliseconds. @default 20 */
  readonly lingerMs?: number;
  /** Deflate the frames: a fifth of the memory in Redis for some work on both sides. @default false */
  readonly deflate?: boolean;
  /** What `stored` stands for. @default { kind: "memory" } */
  readonly durability?: Durability;
  /** What the events that are not stored yet may measure as JSON, bytes; above it `send` waits. @default 64 MiB */
  readonly maxBufferedBytes?: number;
  /**
   * How long `send` may wait for room, milliseconds; then it refuses. While the breaker is open it refuses at once.
   * @default without end, and `send` never refuses
   */
  readonly maxWaitMs?: number;
  /** When Redis counts as ill. */
  readonly breaker?: BreakerOptions;
  /** How long to go on trying to store what was accepted, milliseconds. @default without end */
  readonly giveUpAfterMs?: number;
}

export interface ProducerDeps {
  readonly bus: AppendLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up what is not stored yet. */
  readonly signal?: AbortSignal;
}

const outageTexts = { began: "cannot store events, trying again", over: "events are stored again" } as const;

/**
 * Packs events into frames and stores them, in order per partition, each exactly once: frames are numbered, so one whose
 * answer was lost is sent again and found to be there. What was accepted is tried until it is stored; what comes while Redis is
 * slow or away waits, and is refused where `maxWaitMs` says so. So nothing that was accepted is lost as long as the process lives
 * and `giveUpAfterMs` has not passed, and what is held never grows beyond `maxBufferedBytes`.
 */
export class Producer {
  readonly #options: ProducerOptions;
  readonly #queues: readonly PartitionQueue[];
  readonly #plans: ReadonlyMap<string, StreamPlan["events"][number]>;
  readonly #breaker: ProducerBreaker;
  readonly #buffer: BufferLimit;
  #firstQueue = 0;
  #closing: Promise<void> | undefined;

  constructor(options: ProducerOptions, deps: ProducerDeps) {
    const { stream, producer, maxBufferedBytes = 64 * 1024 * 1024, maxWaitMs, lingerMs = 20, deflate, breaker = {} } = options;
    this.#options = options;
    this.#plans = new Map(stream.events.map((event) => [event.type, event]));
    this.#breaker = new ProducerBreaker(breaker, deps.clock);
    const senderOptions = {
      producer,
      incarnation: options.incarnation ?? deps.clock.now(),
      durability: options.durability ?? ({ kind: "memory" } as const),
      giveUpAfterMs: options.giveUpAfterMs ?? Number.POSITIVE_INFINITY,
    };
    const senderDeps = { ...deps, breaker: this.#breaker, outage: new Outage(outageTexts, deps) };
    const buffer = new BufferLimit(maxBufferedBytes);
    this.#buffer = buffer;
    const queueOptions = {
      lingerMs,
      codec: deflate ? "jz" : "j",
      maxWaitMs,
      retryAfterMs: breaker.openMs ?? 1_000,
    } as const;
    const onShort = () => this.#hastenAll();
    const onFreed = () => this.#admitAll();
    this.#queues = partitionsOf(stream).map(
      (partition) =>
        new PartitionQueue(queueOptions, { sender: new Sender(partition, senderOptions, senderDeps), buffer, onFreed, onShort }),
    );
  }

  /**
   * Queues one event; resolves when there is room for the next (backpressure). `stored` resolves when it is kept at the level of
   * `durability`.
   * @throws TerminalError `event.invalid` when the stream does not carry its type, its data does not fit the schema, or it is not
   *   JSON of at most 256 kB and 64 levels; where `maxWaitMs` is set RetryableError with `retryAfterMs`, `producer.overloaded` when there was no
   *   room in time, `service.unreachable` while the breaker is open; ConfigError `producer.closed`. Such an event was not accepted
   */
  async send(envelope: Envelope): Promise<Accepted> {
    this.#refuseWhileClosed();
    this.#refuseWhileIll();
    const { key, bytes, version } = this.#admit(envelope);
    return this.#offer(version === 1 ? envelope : { ...envelope, version }, { key, bytes });
  }

  /**
   * The same for an event that its sender has admitted: its data fit the schema of its version, it is JSON of so many bytes, within the
   * limits, and has this key.
   * @throws RetryableError and ConfigError as `send`
   */
  async sendAdmitted(envelope: Envelope, admitted: { readonly key: string; readonly bytes: number }): Promise<Accepted> {
    this.#refuseWhileClosed();
    this.#refuseWhileIll();
    return this.#offer(envelope, admitted);
  }

  /** What waits to be stored, as a share of `maxBufferedBytes`. */
  get buffered(): number {
    return this.#buffer.share;
  }

  /** Resolves when everything that was sent so far is stored. */
  async flush(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.flush()));
  }

  /** Flushes; `send` rejects from now on. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.flush();
    return this.#closing;
  }

  #offer(envelope: Envelope, { key, bytes }: { readonly key: string; readonly bytes: number }): Promise<Accepted> {
    return (this.#queues[partitionIndex(key, this.#queues.length)] as PartitionQueue).offer(envelope, bytes);
  }

  #refuseWhileClosed(): void {
    if (!this.#closing) return;
    throw new ConfigError("producer.closed", `the producer of '${this.#options.stream.name}' is closed`, {
      hint: "Open another one.",
    });
  }

  #refuseWhileIll(): void {
    if (this.#options.maxWaitMs === undefined) return;
    const { retryAfterMs } = this.#breaker;
    if (retryAfterMs === undefined) return;
    throw new RetryableError("service.unreachable", "Redis does not store events at present: the event was not accepted", {
      retryAfterMs,
      hint: "Send it again after the time in retryAfterMs.",
    });
  }

  #hastenAll(): void {
    for (const queue of this.#queues) queue.hasten();
  }

  /** Freed bytes are offered to another partition first each time: none is starved by those before it. */
  #admitAll(): void {
    this.#firstQueue = (this.#firstQueue + 1) % this.#queues.length;
    let isShort = false;
    for (let i = 0; i < this.#queues.length; i++) {
      const queue = nth(this.#queues, (this.#firstQueue + i) % this.#queues.length);
      isShort = queue.admit() || isShort;
    }
    if (isShort) this.#hastenAll();
  }

  /** What fits the schema is of its version. */
  #admit(envelope: Envelope): { readonly key: string; readonly bytes: number; readonly version: number } {
    const { type, data, time } = envelope;
    const plan = this.#plans.get(type);
    const { stream } = this.#options;
    if (!plan) {
      throw new TerminalError("event.invalid", `stream '${stream.name}' carries no '${type}'`, {
        hint: `It carries ${[...this.#plans.keys()].join(", ")}.`,
      });
    }
    const result = attempt(`'${type}' does not fit its schema`, () => plan.schema["~standard"].validate(data));
    const misfit = (why: string) => new TerminalError("event.invalid", `'${type}' does not fit its schema: ${why}`);
    if (result instanceof Promise) throw misfit("it is asynchronous");
    if (result.issues) throw misfit(describeIssues(result.issues));
    if (!isDate(time))
      throw new TerminalError("event.invalid", `'${type}' has no valid time`, {
        hint: "Give a Date, or no time: then it is now.",
      });
    const json = attempt(`'${type}' is not JSON`, () => envelopeJson(envelope));
    const bytes = Buffer.byteLength(json);
    if (bytes > maxEventBytes) throw new TerminalError("event.invalid", tooLarge(bytes));
    if (isTooDeep(json)) throw new TerminalError("event.invalid", `'${type}': ${tooDeep}`);
    if (mayBeHalved(json) && isHalved(JSON.parse(json))) throw new TerminalError("event.invalid", `'${type}': ${halved}`);
    return { key: attempt(`'${type}' has no key`, () => partitionKey(plan, result.value)), bytes, version: plan.version };
  }
}

/** Schemas and keys are the user's code: what they throw concerns this event alone. */
function attempt<Result>(what: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw new TerminalError("event.invalid", `${what}: ${messageOf(error)}`, { cause: error });
  }
}
