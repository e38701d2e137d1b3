import type { Check, Mutant } from "../mutant.ts";

const unit = (files: readonly string[], names?: string): Check => ({
  kind: "tests",
  files: files.map((file) => `test/unit/engine/${file}.test.ts`),
  ...(names !== undefined && { names }),
});
const committer = "src/engine/commit/committer.ts";

/** From the sinks' answers to the commit, and from the outbox to the logs. */
export const engine: readonly Mutant[] = [
  {
    name: "commit-before-the-sinks",
    breaks: "an event is acked while its row is on the way, and lost when the worker dies",
    file: committer,
    find: "await Promise.all(writes);",
    replace: "",
    by: unit(["worker", "crashes"]),
  },
  {
    name: "commits-out-of-order",
    breaks: "a state that was computed later is overwritten by one that was computed before",
    file: committer,
    find: "if (this.#deps.inOrder) await earlier;",
    replace: "",
    by: unit(["worker"], "commits in the order"),
  },
  {
    name: "settled-with-refused-rows",
    breaks: "a row that ClickHouse refused is counted as delivered, and kept nowhere",
    file: "src/engine/commit/sink-writer.ts",
    find: "taken, rejected);\n    if (counts)",
    replace: "taken, []);\n    if (counts)",
    by: unit(["outcomes"]),
  },
  {
    name: "commit-given-up",
    breaks: "what was inserted is never acked after Redis was away for a moment",
    file: committer,
    find: "if (!(error instanceof RetryableError)) throw error;\n      const waitMs",
    replace: "if (error instanceof Error) throw error;\n      const waitMs",
    by: unit(["crashes"]),
  },
  {
    name: "lost-lease-counts-as-a-death",
    breaks: "on a machine that is too slow for its leases, good events are given up after six of them",
    file: "src/engine/partition-loop.ts",
    find: 'if (status.kind === "well") void',
    replace: 'if (status.kind === "failed") void',
    by: unit(["lost-lease"]),
  },
  {
    name: "slow-event-is-never-given-up",
    breaks: "an event that takes longer than a lease lives stops its partition for good",
    file: "src/engine/partition-loop.ts",
    find: "if (tookMs < leaseMs / 2) await",
    replace: "await",
    by: unit(["lost-lease"]),
  },
  {
    name: "joined-counts-lost",
    breaks: "what became of the events of a batch that went along with another is in no ledger",
    file: committer,
    find: "counts[counter] = (counts[counter] ?? 0) + by;",
    replace: "void counter;",
    by: unit(["committer"]),
  },
  {
    name: "joined-names-lost",
    breaks: "events that went along with another commit are taken for new when they come again",
    file: committer,
    find: "Buffer.concat([one.records, next.records])",
    replace: "next.records",
    by: unit(["committer"]),
  },
  {
    name: "joined-checkpoint-behind",
    breaks: "a group that has to begin again begins before what is committed",
    file: "src/engine/commit/checkpoint.ts",
    find: "!committed.includes(one)",
    replace: "one !== committed[0]",
    by: unit(["committer"]),
  },
  {
    name: "joined-without-end",
    breaks: "one commit holds everyone else up for as long as all that waits takes",
    file: committer,
    find: "if (entries.length > maxStep.entries",
    replace: "if (entries.length < 0",
    by: unit(["committer"]),
  },
  {
    name: "joined-over-two-logs",
    breaks: "what was replayed is acked in the main log, where it is not",
    file: committer,
    find: "next.batch.fence === first.batch.fence ?",
    replace: "next.batch !== first.batch ?",
    by: unit(["delivery", "replay", "committer"]),
  },
  {
    name: "hands-back-once",
    breaks: "where Redis is away as a lease is lost, good events count as deadly ones",
    file: "src/engine/partition-loop.ts",
    find: "attempts: lateAttempts }",
    replace: "attempts: 0 }",
    by: { kind: "tests", files: ["test/unit/engine/lost-lease.test.ts"] },
  },
];
