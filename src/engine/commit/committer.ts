import { setImmediate } from "node:timers";
import { ageOf } from "../../bus/entry-id.ts";
import type { NamesCommit } from "../../bus/known-names.ts";
import type { Commit, Fence, PartitionLog } from "../../bus/port.ts";
import { aborted } from "../../core/aborted.ts";
import { backoffMs, workBackoff } from "../../core/backoff.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { KeyedState } from "../../state/keyed-state.ts";
import type { Processed } from "../process/processing.ts";
import type { BatchResults } from "../process/results.ts";
import type { BatchHead } from "../read/batch.ts";
import type { OwnershipEnd } from "../read/log-reader.ts";
import type { OwnerHistory } from "../read/owner-history.ts";
import { Checkpoint, type Pending } from "./checkpoint.ts";
import type { InFlight } from "./in-flight.ts";
import type { Relay } from "./relay.ts";
import { type Derived, placeOf, SinkWriter, type SinkWriterDeps } from "./sink-writer.ts";

export interface CommitterDeps extends SinkWriterDeps {
  readonly bus: PartitionLog;
  readonly logger: Logger;
  /** Commits must keep the order of the reads. */
  readonly inOrder: boolean;
  readonly inFlight: InFlight;
}

/** What belongs to the present owner of the partition. */
export interface OwnerContext {
  readonly state: KeyedState | undefined;
  readonly relay: Relay;
  readonly history: OwnerHistory;
  /** Aborts when the lease is lost. */
  readonly lost: AbortSignal;
  /** Called when the answer to a commit shows that this worker no longer owns the partition. */
  readonly onEnd: (why: OwnershipEnd) => void;
}

/** Whether the pipeline can go on. */
export type CommitterStatus = { readonly kind: "well" } | { readonly kind: "failed"; readonly error: unknown };

/** A batch that is through the stages. */
export interface Taken extends Pick<Processed, "results" | "late"> {
  /** How long that took, milliseconds. */
  readonly tookMs: number;
}

/** A batch that is ready for its commit. */
interface Work {
  readonly batch: BatchHead;
  readonly pending: Pending;
  readonly results: BatchResults;
  readonly derived: Derived;
}

type Content = Omit<Commit, "number" | "reads" | "checkpoint">;

/** What is committed in one step: one batch, or several of one log that were ready together. */
interface CommitStep {
  readonly fence: Fence;
  readonly works: readonly Work[];
  readonly content: Content;
}

/** Batches of one step hold so many entries and dead letters together at most: a script keeps everyone else waiting. */
const maxStep = { entries: 4_000, deadLetters: 500 } as const;

/**
 * Commits the batches of one partition. Order of each: rows written → sinks confirm → one commit. Batches are written side by side, and
 * commit one after another, since each commit names the one before: in the order of their reads where `inOrder` asks for it, else as they
 * are ready, those together that have become ready meanwhile. Once the lease is lost nothing is committed, and sinks are not waited for: the new owner reads it all again.
 */
export class Committer {
  readonly #deps: CommitterDeps;
  readonly #owner: OwnerContext;
  readonly #outage: Outage;
  readonly #writer: SinkWriter;
  readonly #checkpoint = new Checkpoint();
  readonly #underWay = new Set<Promise<void>>();
  readonly #isLost: Promise<void>;
  /** The batch that was added last. */
  #before: Promise<void> = Promise.resolve();
  /** What waits for its commit. */
  readonly #ready: Work[] = [];
  /** The commit that is under way, or was last. */
  #committing: Promise<void> = Promise.resolve();
  #status: CommitterStatus = { kind: "well" };
  // A callback, not a promise: each wait would leave a handler on it, and while a sink is away nothing is settled for hours.
  #tell = () => {};

  constructor(deps: CommitterDeps, owner: OwnerContext) {
    this.#deps = deps;
    this.#owner = owner;
    this.#writer = new SinkWriter(deps);
    this.#isLost = aborted(owner.lost);
    this.#outage = new Outage({ began: "committing failed, trying again", over: "commits are made again" }, deps);
  }

  /** Writes what is ready, and commits when every event has ended and every sink has confirmed. */
  add(batch: BatchHead, { results, late, tookMs }: Taken): void {
    const { inFlight } = this.#deps;
    const pending = this.#checkpoint.begin(batch.fence, results.entries, tookMs);
    const weight = inFlight.weigh(results);
    inFlight.add(weight);
    const settled = this.#settle(batch, pending, { results, late })
      .catch((error) => {
        // A stop or a lost lease ends what waits; it is left to the next owner.
        if (!isAbort(error)) this.fail(error);
      })
      .finally(() => {
        inFlight.remove(weight);
        this.#underWay.delete(settled);
        this.#tell();
      });
    this.#before = settled;
    this.#underWay.add(settled);
  }

  /** Resolves when nothing is under way any more, or the lease is gone. */
  async idle(): Promise<void> {
    await Promise.race([Promise.all(this.#underWay), this.#isLost]);
  }

  /** How many batches are under way. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Calls back when the next batch is settled. There is one listener: a later call replaces an earlier one. */
  onNext(listener: () => void): void {
    this.#tell = listener;
  }

  /** What was added and has not been committed. */
  get unsettled(): readonly Pending[] {
    return this.#checkpoint.unsettled;
  }

  get status(): CommitterStatus {
    return this.#status;
  }

  /** The pipeline cannot go on: nothing more is committed. */
  fail(error: unknown): void {
    if (this.#status.kind === "well") this.#status = { kind: "failed", error };
  }

  async #settle(batch: BatchHead, pending: Pending, { results, late }: Pick<Processed, "results" | "late">): Promise<void> {
    const earlier = this.#before;
    const writes = [this.#writer.write(batch, results)];
    await lateOnes(late, () => writes.push(this.#writer.write(batch, results)));
    await Promise.all(writes);
    const derived = await this.#writer.pack(results);
    if (this.#deps.inOrder) await earlier;
    this.#ready.push({ batch, pending, results, derived });
    const mine = this.#committing.then(() => this.#commitReady());
    this.#committing = mine.catch(() => {});
    await mine;
  }

  /** Commits what is ready, as far as it goes together. The turns of what went along with an earlier one find nothing to do. */
  async #commitReady(): Promise<void> {
    const first = this.#ready.shift();
    if (!first) return;
    const works = [first];
    let content = contentOf(first);
    for (let next = this.#ready[0]; next && !this.#deps.inOrder; next = this.#ready[0]) {
      const both = next.batch.fence === first.batch.fence ? joined(content, contentOf(next)) : undefined;
      if (!both) break;
      content = both;
      works.push(next);
      this.#ready.shift();
    }
    await this.#commit({ fence: first.batch.fence, works, content });
  }

  async #commit(step: CommitStep): Promise<void> {
    const { clock } = this.#deps;
    const { lost, onEnd } = this.#owner;
    const asked = clock.monotonic();
    for (let failed = 0; !lost.aborted && this.#status.kind === "well"; failed++) {
      const answer = await this.#try(step, failed);
      switch (answer.kind) {
        case "committed":
          this.#owner.history.noteCommit();
          for (const work of step.works) this.#committed(work, asked);
          return;
        case "fenced":
        case "went-back":
          // The next owner reads these entries again.
          return onEnd(answer);
        case "failed":
          await clock.sleep(answer.waitMs, lost);
          break;
        default:
          answer satisfies never;
      }
    }
  }

  /** @throws whatever waiting does not help */
  async #try(
    { fence, works, content }: CommitStep,
    failed: number,
  ): Promise<{ readonly kind: "committed" } | { readonly kind: "failed"; readonly waitMs: number } | OwnershipEnd> {
    const { bus, telemetry } = this.#deps;
    const { history } = this.#owner;
    const { commits, reads } = history.known;
    const about = { partition: fence.partition.name, pipeline: fence.pipeline };
    try {
      const made = await bus.commit(fence, {
        ...content,
        number: commits + 1,
        reads,
        checkpoint: this.#checkpoint.after(works.map(({ pending }) => pending)),
      });
      this.#outage.over(about);
      if (made === "committed" || made === "fenced") return { kind: made };
      return made;
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      const waitMs = backoffMs(failed, workBackoff);
      this.#outage.failed(error, about);
      telemetry.retry?.({ of: "commit", ...about, failed: failed + 1, waitMs, code: error.code });
      return { kind: "failed", waitMs };
    }
  }

  #committed(work: Work, asked: number): void {
    const { pending, results, derived } = work;
    const { state, relay } = this.#owner;
    if (results.states) state?.settled(results.states);
    this.#tellCommitted(work, asked);
    this.#checkpoint.settle(pending);
    if (derived.frames.length > 0) relay.wake();
  }

  #tellCommitted({ batch, results, derived }: Work, asked: number): void {
    const { clock, telemetry } = this.#deps;
    const now = clock.monotonic();
    telemetry.committed?.({
      ...placeOf(batch),
      entries: results.entries.length,
      events: results.size,
      bytes: results.bytes,
      counts: results.counts,
      deadLetters: results.deadLetters.length,
      derivedFrames: derived.frames.length,
      durationMs: now - asked,
      sinceReadMs: now - batch.readAt,
      lagMs: ageOf(results.entries[0], clock.now()),
    });
    if (telemetry.deadLetter && results.deadLetters.length > 0) {
      const where = placeOf(batch);
      for (const { original, ...letter } of results.deadLetters) telemetry.deadLetter({ ...where, ...letter });
    }
    for (const [destination, traceparents] of derived.traces) this.#writer.trace(batch, destination, traceparents);
  }
}

function contentOf({ results, derived }: Work): Content {
  const { entries, counts, deadLetters, states, names } = results;
  return { entries, counts, deadLetters, derived: derived.frames, keyed: states?.toCommit(), names: names?.toCommit() };
}

/**
 * Both in one commit; `undefined` where they do not go together: names of one page do. Neither has states or derived frames: those are
 * committed in the order of the reads, each batch by itself.
 */
function joined(one: Content, next: Content): Content | undefined {
  const entries = [...one.entries, ...next.entries];
  const deadLetters = [...one.deadLetters, ...next.deadLetters];
  if (entries.length > maxStep.entries || deadLetters.length > maxStep.deadLetters) return undefined;
  if (one.names && next.names && one.names.page !== next.names.page) return undefined;
  const counts = { ...one.counts };
  for (const [counter, by] of Object.entries(next.counts)) counts[counter] = (counts[counter] ?? 0) + by;
  return { ...next, entries, counts, deadLetters, names: joinedNames(one.names, next.names) };
}

const joinedNames = (one: NamesCommit | undefined, next: NamesCommit | undefined): NamesCommit | undefined =>
  one && next ? { ...next, records: Buffer.concat([one.records, next.records]) } : (one ?? next);

/** Resolves when all late events have ended; `ready` is called for those that have, some at a time. */
async function lateOnes(late: readonly Promise<void>[], ready: () => void): Promise<void> {
  let isAsked = false;
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    setImmediate(() => {
      isAsked = false;
      ready();
    });
  };
  for (const one of late) one.then(ask, () => {});
  await Promise.all(late);
  if (late.length > 0) ready();
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";
