import type { Envelope } from "../bus/envelope.ts";
import type { Producer } from "../bus/producer.ts";
import { messageOf, TerminalError } from "../core/errors.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { Rejected, Sink, WriteResult } from "./port.ts";

export interface StreamSinkGuard {
  /** Counts events. */
  readonly limit: RateLimit;
  /** Gives up what is still waiting for its turn. */
  readonly signal: AbortSignal;
}

/** Derived events on a stream of ours. Their ids come from their causes, so one that is written twice is the same event. */
export class StreamSink implements Sink {
  readonly #producer: Producer;
  readonly #guard: StreamSinkGuard | undefined;
  #inFlight = 0;
  /** Writes hand their events over one after another: the order of a key is the order of the writes. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(producer: Producer, guard?: StreamSinkGuard) {
    this.#producer = producer;
    this.#guard = guard;
  }

  get inFlightRows(): number {
    return this.#inFlight;
  }

  async write(rows: readonly unknown[]): Promise<WriteResult> {
    this.#inFlight += rows.length;
    try {
      const handingOver = this.#turn.then(() => this.#handOver(rows as readonly Envelope[]));
      this.#turn = handingOver.catch(() => {});
      const { rejected, stored } = await handingOver;
      await Promise.all(stored);
      return { rejected };
    } finally {
      this.#inFlight -= rows.length;
    }
  }

  async #handOver(envelopes: readonly Envelope[]) {
    const rejected: Rejected[] = [];
    const stored: Promise<void>[] = [];
    for (const [row, envelope] of envelopes.entries()) {
      // One by one: asked for all at once, they would wait together and go in one burst.
      await this.#guard?.limit.take(1, this.#guard.signal);
      this.#guard?.signal.throwIfAborted();
      try {
        stored.push((await this.#producer.send(envelope)).stored);
      } catch (error) {
        if (!(error instanceof TerminalError) || error.code !== "event.invalid") throw error;
        rejected.push({ row, reason: messageOf(error) });
      }
    }
    return { rejected, stored };
  }

  close(): Promise<void> {
    return this.#producer.flush();
  }
}
