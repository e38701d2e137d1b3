import type { Bus, Fence, OutboxEntry } from "../bus/port.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";

/** Frames of one look at the outbox. */
const pageSize = 64;
const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

export interface Relay {
  /** There is something in the outbox, perhaps. */
  ring(): void;
  /** Resolves when the outbox is empty, or cannot be emptied and `stop` has aborted. */
  readonly done: Promise<void>;
}

/**
 * Brings the frames of an outbox where they belong, in their order. It needs no lease: frames are numbered, so one that two relays
 * store is there once, and one that comes too early for its number is told so and waits.
 */
export function createRelay(
  { partition, pipeline }: Fence,
  { bus, clock, logger }: { readonly bus: Bus; readonly clock: Clock; readonly logger: Logger },
  stop: AbortSignal,
): Relay {
  let rung = false;
  let running: Promise<void> | undefined;

  return {
    ring() {
      rung = true;
      running ??= run().finally(() => {
        running = undefined;
      });
    },
    get done() {
      return running ?? Promise.resolve();
    },
  };

  async function run(): Promise<void> {
    for (let failed = 0; rung || failed > 0; ) {
      rung = false;
      try {
        for (let page = await look(); page.length > 0; page = await look()) await store(page);
        failed = 0;
      } catch (error) {
        if (!(error instanceof RetryableError)) {
          logger.error({ partition: partition.name, pipeline, error: messageOf(error) }, "derived events cannot be passed on");
          return;
        }
        // What is left is for the next owner.
        if (stop.aborted) return;
        if (failed++ === 0)
          logger.warn({ partition: partition.name, pipeline, error: messageOf(error) }, "derived events wait in the outbox");
        await clock.sleep(backoffMs(failed, retryLimits), stop);
      }
    }
  }

  function look(): Promise<readonly OutboxEntry[]> {
    return bus.outbox(partition, pipeline, pageSize);
  }

  /** The frames of one log in their order, those of several side by side. */
  async function store(page: readonly OutboxEntry[]): Promise<void> {
    const stored: string[] = [];
    const byLog = new Map<string, OutboxEntry[]>();
    for (const entry of page) byLog.set(entry.to.log, [...(byLog.get(entry.to.log) ?? []), entry]);
    const results = await Promise.allSettled([...byLog.values()].map((frames) => storeInTurn(frames, stored)));
    if (stored.length > 0) await bus.relayed(partition, pipeline, stored);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async function storeInTurn(frames: readonly OutboxEntry[], stored: string[]): Promise<void> {
    for (const { id, to, frame } of frames) {
      const appended = await bus.append(to, frame);
      if (appended.kind === "gap")
        throw new RetryableError("service.unreachable", `${to.name} waits for frame ${appended.last + 1} of this outbox`);
      if (appended.kind === "superseded")
        throw new TerminalError("producer.superseded", `${to.name} knows a later outbox under this name: its clock was set back`);
      stored.push(id);
    }
  }
}
