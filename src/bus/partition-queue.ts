import { ConfigError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import type { BufferLimit } from "./buffer-limit.ts";
import type { Envelope } from "./envelope.ts";
import { encodeFrame, frameLimits } from "./frame.ts";
import type { UnnumberedFrame } from "./port.ts";
import type { Sender } from "./sender.ts";

export interface PartitionQueueOptions {
  readonly lingerMs: number;
  readonly codec: "j" | "jz";
  /** How long an event waits to be accepted; undefined: without end. */
  readonly maxWaitMs: number | undefined;
  /** What its caller is told when that has passed. */
  readonly retryAfterMs: number;
}

export interface PartitionQueueDeps {
  readonly sender: Sender;
  readonly buffer: BufferLimit;
  /** Told when bytes were freed. */
  readonly onFreed: () => void;
  /** Told when an event waits for bytes. */
  readonly onShort: () => void;
}

/** An event that was taken, and where it comes to lie: at `index` of an entry of `partition`. */
export interface Accepted {
  /** The name of the partition, such as `logins/07`: that of the event's key. */
  readonly partition: string;
  /** Its place among the events of its entry, from 0. */
  readonly index: number;
  /** Resolves when it is stored, with the id of its entry; with `undefined` where only an answer that was lost had told it. */
  readonly stored: Promise<string | undefined>;
}

interface OpenFrame extends Deferred<string | undefined> {
  readonly envelopes: Envelope[];
  bytes: number;
}

interface WaitingEvent extends Deferred<Accepted> {
  readonly envelope: Envelope;
  readonly bytes: number;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** Frames of one partition that wait or are under way, above which events wait to be accepted. */
const maxFrames = 8;

/**
 * No wait helps where another program has this producer's name, or the bus is closed. All else passes, or an operator can repair it: a
 * right, a key, a setting.
 */
const isFinal = (error: unknown): boolean =>
  error instanceof ConfigError && (error.code === "producer.superseded" || error.code === "usage");

/**
 * The events of one partition, in order: those that wait to be accepted, the frame that is being filled, the frames that are
 * encoded and wait, and the one that is under way.
 */
export class PartitionQueue {
  readonly #options: PartitionQueueOptions;
  readonly #deps: PartitionQueueDeps;
  readonly #waiters: WaitingEvent[] = [];
  #open: OpenFrame | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  /** The open frame has waited long enough. */
  #isDue = false;
  #frames = 0;
  #sending: Promise<void> = Promise.resolve();
  /** A frame was refused: those behind it are refused with it, so that none overtakes it. Then the next events are tried anew. */
  #refusal: { readonly error: unknown } | undefined;
  /** A failure that `flush` has still to report. */
  #untold: unknown;
  /** Why nothing more is stored through this queue; undefined as long as it is open. */
  #end: unknown;

  constructor(options: PartitionQueueOptions, deps: PartitionQueueDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** `bytes`: of the event as JSON; in the columns of a frame it is no longer. */
  offer(envelope: Envelope, bytes: number): Promise<Accepted> {
    if (this.#end) return Promise.reject(this.#end);
    // Nobody overtakes an event that waits: order is kept also for callers that do not await.
    if (this.#waiters.length === 0 && this.#hasRoom(bytes)) return Promise.resolve(this.#add(envelope, bytes));
    const { maxWaitMs } = this.#options;
    if (maxWaitMs !== undefined && !this.#deps.buffer.mayWait(bytes)) return Promise.reject(this.#overloaded("as much waits"));
    return this.#wait(envelope, bytes);
  }

  /** Accepts what has waited and fits now. True where bytes are lacking. */
  admit(): boolean {
    for (let first = this.#waiters[0]; first; first = this.#waiters[0]) {
      if (!this.#end && !this.#hasRoom(first.bytes)) return !this.#deps.buffer.fits(first.bytes);
      this.#waiters.shift();
      this.#deps.buffer.wait(-first.bytes);
      clearTimeout(first.timer);
      if (this.#end) first.reject(this.#end);
      else first.resolve(this.#add(first.envelope, first.bytes));
    }
    return false;
  }

  /** Resolves when everything is stored; rejects where something was refused since the last time. */
  async flush(): Promise<void> {
    this.#seal();
    const last = this.#waiters.at(-1);
    if (last) {
      await last.promise.catch(() => {});
      this.#seal();
    }
    await this.#sending;
    const failure = this.#end ?? this.#untold;
    this.#untold = undefined;
    if (failure) throw failure;
  }

  /** Sends the frame that is being filled as soon as it can be: until those before it are stored it goes on filling. */
  hasten(): void {
    if (this.#frames === 0) this.#seal();
    else this.#isDue = true;
  }

  /** Closes the frame that is being filled, and sends it after those before it. */
  #seal(): void {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    this.#isDue = false;
    clearTimeout(this.#linger);
    let frame: UnnumberedFrame;
    try {
      // Here, and not when it is its turn: as bytes, what waits takes the least memory.
      frame = encodeFrame(open.envelopes, this.#options.codec);
    } catch (error) {
      this.#deps.buffer.free(open.bytes);
      this.#deps.onFreed();
      open.reject(new TerminalError("event.invalid", `an event was changed after it was sent: ${messageOf(error)}`));
      return;
    }
    const { bytes, resolve, reject } = open;
    this.#frames++;
    this.#sending = this.#sending.then(async () => {
      try {
        if (this.#refusal) throw this.#refusal.error;
        resolve(await this.#deps.sender.store(frame));
      } catch (error) {
        this.#refuseAll(error);
        reject(error);
      } finally {
        if (--this.#frames === 0) {
          this.#refusal = undefined;
          if (this.#isDue) this.#seal();
        }
        this.#deps.buffer.free(bytes);
        this.#deps.onFreed();
      }
    });
  }

  /** Refuses what was accepted behind a frame that was refused. */
  #refuseAll(error: unknown): void {
    this.#refusal ??= { error };
    this.#untold ??= error;
    if (isFinal(error)) this.#end ??= error;
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    this.#isDue = false;
    clearTimeout(this.#linger);
    this.#deps.buffer.free(open.bytes);
    open.reject(error);
  }

  #hasRoom(bytes: number): boolean {
    return !this.#refusal && this.#frames < maxFrames && this.#deps.buffer.fits(bytes);
  }

  #add(envelope: Envelope, bytes: number): Accepted {
    if (this.#open && this.#open.bytes + bytes > frameLimits.maxBytes) this.#seal();
    const open = this.#open ?? this.#openFrame();
    this.#deps.buffer.hold(bytes);
    open.envelopes.push(envelope);
    open.bytes += bytes;
    if (open.envelopes.length >= frameLimits.maxEvents || open.bytes >= frameLimits.maxBytes) this.#seal();
    return { partition: this.#deps.sender.partition, index: open.envelopes.length - 1, stored: open.promise };
  }

  #openFrame(): OpenFrame {
    const open = { envelopes: [], bytes: 0, ...deferred<string | undefined>() };
    open.promise.catch(() => {}); // also told by flush() and the next send()
    this.#open = open;
    this.#linger = setTimeout(() => this.hasten(), this.#options.lingerMs);
    return open;
  }

  #wait(envelope: Envelope, bytes: number): Promise<Accepted> {
    const { maxWaitMs } = this.#options;
    const { buffer, onShort } = this.#deps;
    const timer = maxWaitMs === undefined ? undefined : setTimeout(() => this.#refuse(waiter), maxWaitMs);
    const waiter: WaitingEvent = { envelope, bytes, timer, ...deferred<Accepted>() };
    this.#waiters.push(waiter);
    buffer.wait(bytes);
    if (!buffer.fits(bytes)) onShort();
    return waiter.promise;
  }

  #refuse(waiter: WaitingEvent): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    this.#deps.buffer.wait(-waiter.bytes);
    waiter.reject(this.#overloaded(`the event has waited for ${this.#options.maxWaitMs} ms`));
    // A smaller one behind it may fit.
    this.admit();
  }

  #overloaded(why: string): RetryableError {
    return new RetryableError("producer.overloaded", `events come faster than Redis stores them: ${why}, and was not accepted`, {
      retryAfterMs: this.#options.retryAfterMs,
      hint: "Send it again after the time in retryAfterMs.",
    });
  }
}

interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<Value>(): Deferred<Value> {
  let resolve!: (value: Value) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
