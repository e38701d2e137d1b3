import { isBefore } from "../../bus/entry-id.ts";
import type { Fence, OutboxEntry, PartitionLog } from "../../bus/port.ts";
import { backoffMs, workBackoff } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { codeOf, messageOf, RetryableError } from "../../core/errors.ts";
import { getOrMake } from "../../core/get-or-make.ts";
import { linkAbort } from "../../core/linked-abort.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { Telemetry } from "../../telemetry/port.ts";
import type { OwnerHistory } from "../read/owner-history.ts";
import { isObstacle, LogWriter } from "./log-writer.ts";
import { isReadable, OutboxReader } from "./outbox-reader.ts";

export interface RelayDeps {
  readonly bus: PartitionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

export interface RelayContext {
  /** Aborts when the owner is to stop, in order or not. */
  readonly stop: AbortSignal;
  /** Aborts when this worker no longer owns the partition. */
  readonly gone: AbortSignal;
  readonly history: Pick<OwnerHistory, "known">;
}

/** A log that cannot be written at present. */
interface HeldLog {
  /** The partition's. */
  readonly name: string;
  /** Its frames lie behind this one. */
  readonly after: string | undefined;
  readonly failed: number;
  /** When it began, and when the next try is due, by the monotonic clock. */
  readonly since: number;
  readonly until: number;
}

/** How the outbox was left. */
type Passed = { readonly kind: "passed" } | { readonly kind: "failed"; readonly waitMs: number } | { readonly kind: "broken" };

/**
 * Stores the frames of an outbox in the logs that they are for, in order within each log. Storing needs no lease: a frame names the one
 * before it, so a frame that two relays store is stored once, and a missing one is noticed. Taking frames off the outbox needs the lease. A
 * log that cannot be written holds up no other log. A record that cannot be read holds up only what comes behind it for the same log.
 */
export class Relay {
  readonly #fence: Fence;
  readonly #deps: RelayDeps;
  readonly #owner: RelayContext;
  readonly #outbox: OutboxReader;
  readonly #writer: LogWriter;
  readonly #outage: Outage;
  readonly #held = new Map<string, HeldLog>();
  /** Everything before it was looked at: what is left there is for logs that are held. */
  #looked: string | undefined;
  #woken = false;
  #running: Promise<void> | undefined;
  #rest = new AbortController();

  constructor(fence: Fence, deps: RelayDeps, owner: RelayContext) {
    this.#fence = fence;
    this.#deps = deps;
    this.#owner = owner;
    this.#outbox = new OutboxReader(fence, deps);
    this.#writer = new LogWriter(fence, { ...deps, outbox: this.#outbox, gone: owner.gone });
    this.#outage = new Outage({ began: "derived events wait in the outbox", over: "derived events are passed on again" }, deps);
  }

  /** Something may be in the outbox: has it looked at. */
  wake(): void {
    this.#woken = true;
    this.#rest.abort();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when the outbox is empty, or cannot be emptied and `stop` has aborted. */
  get done(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    const { stop, gone } = this.#owner;
    for (let failed = 0; (this.#woken || failed > 0 || this.#held.size > 0) && !gone.aborted; ) {
      this.#woken = false;
      const passed = await this.#pass(failed);
      if (passed.kind === "broken") return;
      failed = passed.kind === "failed" ? failed + 1 : 0;
      // What is left in the outbox is for the next owner.
      if (stop.aborted && (failed > 0 || this.#held.size > 0)) return;
      if (this.#woken || (failed === 0 && this.#held.size === 0)) continue;
      this.#rest = new AbortController();
      const resting = linkAbort(stop, this.#rest.signal);
      await this.#deps.clock.sleep(this.#waitMs(passed), resting.signal);
      resting.unlink();
    }
  }

  /** Passes on what there is. `failed`: how often that has failed in a row. */
  async #pass(failed: number): Promise<Passed> {
    try {
      await this.#tryHeld();
      await this.#lookOn();
      this.#outage.over(this.#about);
      return { kind: "passed" };
    } catch (error) {
      if (!(error instanceof RetryableError)) {
        this.#deps.logger.error({ ...this.#about, error: messageOf(error) }, "derived events cannot be passed on");
        return { kind: "broken" };
      }
      this.#outage.failed(error, this.#about);
      return { kind: "failed", waitMs: this.#failed(error, failed + 1) };
    }
  }

  /** How long to wait behind a failure, milliseconds. */
  #failed(error: unknown, failed: number): number {
    const waitMs = backoffMs(failed, workBackoff);
    this.#deps.telemetry.retry?.({ of: "outbox", ...this.#about, failed, waitMs, code: codeOf(error) });
    return waitMs;
  }

  #waitMs(passed: Passed): number {
    const next = [...this.#held.values()].map(({ until }) => until - this.#deps.clock.monotonic());
    return Math.max(1, Math.min(...next, ...(passed.kind === "failed" ? [passed.waitMs] : [])));
  }

  /** Looks at what has come since the last look; at everything where nothing is held. */
  async #lookOn(): Promise<void> {
    if (this.#held.size === 0) this.#looked = undefined;
    for await (const page of this.#outbox.pages(this.#looked, this.#owner.gone)) {
      const after = this.#looked;
      await this.#store(
        page.filter(isReadable).filter(({ to }) => !this.#held.has(to.log)),
        { after, failed: 0, since: this.#deps.clock.monotonic() },
      );
      this.#looked = page.at(-1)?.id;
    }
  }

  /** Takes up the logs again whose time has come. */
  async #tryHeld(): Promise<void> {
    for (const [log, held] of [...this.#held]) {
      if (held.until > this.#deps.clock.monotonic()) continue;
      this.#held.delete(log);
      await this.#storeHeld(log, held);
      if (this.#held.has(log) || this.#owner.gone.aborted) continue;
      const lastedMs = Math.round(this.#deps.clock.monotonic() - held.since);
      this.#deps.logger.info({ ...this.#about, lastedMs }, `derived events for '${held.name}' are passed on again`);
    }
  }

  async #storeHeld(log: string, { after, failed, since }: HeldLog): Promise<void> {
    // What lies behind that is looked at with all others.
    const end = this.#looked ?? "0-0";
    let from = after;
    for await (const page of this.#outbox.pages(after, this.#owner.gone)) {
      await this.#store(
        page.filter(isReadable).filter(({ id, to }) => to.log === log && !isBefore(end, id)),
        { after: from, failed, since },
      );
      from = page.at(-1)?.id;
      if (from === undefined || isBefore(end, from) || this.#held.has(log)) return;
    }
  }

  /** The frames of one log in their order, those of several side by side. */
  async #store(page: readonly OutboxEntry[], before: Pick<HeldLog, "after" | "failed" | "since">): Promise<void> {
    const { bus } = this.#deps;
    const { history } = this.#owner;
    const stored = new Set<string>();
    const byLog = new Map<string, OutboxEntry[]>();
    for (const entry of page) getOrMake(byLog, entry.to.log, () => []).push(entry);
    const logs = [...byLog.values()];
    const results = await Promise.allSettled(logs.map((frames) => this.#writer.store(frames, stored)));
    if (stored.size > 0 && !(await bus.relayed(this.#fence, [...stored], history.known.commits)))
      throw new RetryableError("lease.lost", "the outbox has another owner, or has gone back to an earlier state");
    for (const [i, result] of results.entries()) {
      const to = logs[i]?.[0]?.to;
      if (to && result.status === "rejected") this.#hold(to, result.reason, before);
    }
  }

  #hold({ log, name }: OutboxEntry["to"], error: unknown, before: Pick<HeldLog, "after" | "failed" | "since">): void {
    const failed = before.failed + 1;
    if (failed === 1)
      this.#deps.logger.warn({ ...this.#about, error: messageOf(error) }, `derived events for '${name}' wait in the outbox`);
    // What blocks it may lie anywhere in the outbox.
    const after = isObstacle(error) ? undefined : before.after;
    const until = this.#deps.clock.monotonic() + this.#failed(error, failed);
    this.#held.set(log, { name, after, failed, since: before.since, until });
  }

  get #about() {
    return { partition: this.#fence.partition.name, pipeline: this.#fence.pipeline };
  }
}
