import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { isDate } from "../core/dates.ts";
import { days } from "../core/duration.ts";
import { messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { partitionKey, type StreamPlan } from "../plan/plan.ts";
import { type Envelope, envelopeJson } from "./envelope.ts";
import { encodeFrame, frameLimits, maxEventBytes } from "./frame.ts";
import { type Partition, partitionIndex, partitionsOf } from "./partition.ts";
import type { Bus } from "./port.ts";

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
  /** How long to go on trying while Redis is away, milliseconds. @default without end */
  readonly giveUpAfterMs?: number;
}

export interface ProducerDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up what is not stored yet. */
  readonly signal?: AbortSignal;
}

interface Waiting {
  readonly envelopes: Envelope[];
  bytes: number;
  readonly stored: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const retryLimits = { initialMs: 50, maxMs: 2_000 } as const;
/** Frames of one partition that wait or are under way, above which `send` lets its caller wait. */
const maxFrames = 8;
/** A producer that is silent for a week is forgotten (see engine/trimmer.ts): well before that its lanes begin new incarnations. */
const renewAfterMs = days(1);

/**
 * Packs events into frames and stores them, in order per partition, each exactly once: frames are numbered, so one whose
 * answer was lost is sent again and found to be there.
 */
export class Producer {
  readonly #options: ProducerOptions;
  readonly #lanes: readonly Lane[];
  readonly #plans: ReadonlyMap<string, StreamPlan["events"][number]>;

  constructor(options: ProducerOptions, deps: ProducerDeps) {
    this.#options = options;
    const lane = { incarnation: options.incarnation ?? deps.clock.now(), ...options };
    this.#lanes = partitionsOf(options.stream).map((partition) => new Lane(partition, lane, deps));
    this.#plans = new Map(options.stream.events.map((event) => [event.type, event]));
  }

  /**
   * Queues one event; resolves when there is room for the next (backpressure). `stored` resolves when it is in Redis.
   * @throws TerminalError `event.invalid` when the stream does not carry its type, its data does not fit the schema, or it is not
   *   JSON of at most 256 kB
   */
  async send(envelope: Envelope): Promise<{ readonly stored: Promise<void> }> {
    const { key, bytes } = this.#admit(envelope);
    const lane = this.#lanes[partitionIndex(key, this.#lanes.length)] as Lane;
    await lane.room();
    return { stored: lane.add(envelope, bytes) };
  }

  /** Resolves when everything that was sent so far is stored. */
  async flush(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.flush()));
  }

  #admit(envelope: Envelope): { readonly key: string; readonly bytes: number } {
    const { type, data, time } = envelope;
    const plan = this.#plans.get(type);
    const { stream } = this.#options;
    if (!plan) {
      throw new TerminalError("event.invalid", `stream '${stream.name}' carries no '${type}'`, {
        hint: `It carries ${[...this.#plans.keys()].join(", ")}.`,
      });
    }
    const result = attempt(`'${type}' does not fit its schema`, () => plan.schema["~standard"].validate(data));
    if (result instanceof Promise || result.issues) {
      const issue = result instanceof Promise ? undefined : result.issues?.[0];
      const where = issue?.path?.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
      throw new TerminalError(
        "event.invalid",
        `'${type}' does not fit its schema: ${where ? `${where}: ` : ""}${issue?.message ?? "it is asynchronous"}`,
      );
    }
    if (!isDate(time)) throw new TerminalError("event.invalid", `'${type}' has no valid time`);
    const bytes = Buffer.byteLength(attempt(`'${type}' is not JSON`, () => envelopeJson(envelope)));
    if (bytes > maxEventBytes)
      throw new TerminalError("event.invalid", `the event measures ${bytes} bytes; ${maxEventBytes} are the limit`);
    return { key: attempt(`'${type}' has no key`, () => partitionKey(plan, result.value)), bytes };
  }
}

/** The frames of one partition: one is filled while the one before is under way. */
class Lane {
  readonly #partition: Partition;
  readonly #options: ProducerOptions & { readonly incarnation: number };
  readonly #deps: ProducerDeps;
  #open: Waiting | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #incarnation: number;
  #sequence = 0;
  #storedAt: number;
  #queued = 0;
  #sending: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(partition: Partition, options: ProducerOptions & { readonly incarnation: number }, deps: ProducerDeps) {
    this.#partition = partition;
    this.#options = options;
    this.#deps = deps;
    this.#incarnation = options.incarnation;
    this.#storedAt = deps.clock.now();
  }

  async room(): Promise<void> {
    while (this.#queued >= maxFrames) await this.#sending;
    if (this.#failure) throw this.#failure;
  }

  /** `bytes`: of the event as JSON; in the columns of a frame it is no longer. */
  add(envelope: Envelope, bytes: number): Promise<void> {
    if (this.#open && this.#open.bytes + bytes > frameLimits.maxBytes) this.#seal();
    const open = this.#open ?? this.#openFrame();
    open.envelopes.push(envelope);
    open.bytes += bytes;
    if (open.envelopes.length >= frameLimits.maxEvents || open.bytes >= frameLimits.maxBytes) this.#seal();
    return open.stored;
  }

  async flush(): Promise<void> {
    if (this.#open) this.#seal();
    await this.#sending;
    if (this.#failure) throw this.#failure;
  }

  #openFrame(): Waiting {
    const { promise, resolve, reject } = withResolvers();
    promise.catch(() => {}); // also told by flush() and the next send()
    this.#open = { envelopes: [], bytes: 0, stored: promise, resolve, reject };
    this.#linger = setTimeout(() => this.#seal(), this.#options.lingerMs ?? 20);
    return this.#open;
  }

  #seal(): void {
    const frame = this.#open as Waiting;
    this.#open = undefined;
    clearTimeout(this.#linger);
    this.#queued++;
    this.#sending = this.#sending.then(async () => {
      try {
        if (this.#failure) throw this.#failure;
        await this.#store(frame);
        frame.resolve();
      } catch (error) {
        this.#failure ??= error;
        frame.reject(error);
      } finally {
        this.#queued--;
      }
    });
  }

  async #store({ envelopes }: Waiting): Promise<void> {
    const { producer, deflate, giveUpAfterMs } = this.#options;
    const { bus, clock, logger, signal } = this.#deps;
    const { minTime, maxTime, ...encoded } = encodeFrame(envelopes, deflate ? "jz" : "j");
    // All earlier frames were acknowledged, so the new numbers can hide none of them.
    if (this.#sequence > 0 && clock.now() - this.#storedAt > renewAfterMs) {
      this.#incarnation = Math.max(this.#incarnation + 1, clock.now());
      this.#sequence = 0;
    }
    const incarnation = this.#incarnation;
    const sequence = this.#sequence++;
    const since = clock.monotonic();
    for (let attempt = 0; ; attempt++) {
      try {
        const appended = await bus.append(this.#partition, { producer, incarnation, sequence, minTime, maxTime, ...encoded });
        this.#storedAt = clock.now();
        if (appended.kind !== "gap") return;
        throw new TerminalError(
          "frame.undecodable",
          `${this.#partition.name}: Redis knows frame ${appended.last} of this producer, and was sent ${sequence}`,
          {
            hint: "Frames that were acknowledged are gone: Redis was flushed or restored. Start the producer again.",
          },
        );
      } catch (error) {
        const waited = clock.monotonic() - since;
        if (!(error instanceof RetryableError) || waited > (giveUpAfterMs ?? Number.POSITIVE_INFINITY) || signal?.aborted)
          throw error;
        if (attempt === 0)
          logger.warn({ partition: this.#partition.name, error: messageOf(error) }, "cannot store events, trying again");
        await clock.sleep(backoffMs(attempt, retryLimits), signal);
      }
    }
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

function withResolvers() {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
