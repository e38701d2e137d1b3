import type { Check, Mutant } from "../mutant.ts";

const fault = (name: string): Check => ({ kind: "fault", fault: name });

/** Broken products that a chaos suite which counts too little would pass. */
export const chaosSuite: readonly Mutant[] = [
  {
    name: "producer-that-refuses",
    breaks: "a producer that takes 300 events and no more loses nothing that it acknowledged",
    file: "src/bus/producer.ts",
    find: "const { key, bytes, version } = this.#admit(envelope);",
    replace:
      'const sent = globalThis as { sent?: number };\n    sent.sent = (sent.sent ?? 0) + 1;\n    if (sent.sent > 300) throw new TerminalError("event.invalid", "enough");\n    const { key, bytes, version } = this.#admit(envelope);',
    by: fault("producer-sends-again"),
  },
  {
    name: "second-sink-gets-nothing",
    breaks: "every row of a pipeline's second table is lost, and the order that it would prove is proved by an empty table",
    file: "src/engine/commit/sink-writer.ts",
    find: "[...results.rows.take()].map(",
    replace: "[...results.rows.take()].slice(0, 1).map(",
    by: fault("producer-sends-again"),
  },
  {
    name: "ledger-that-adds-up-and-is-wrong",
    breaks: "the books balance, and what they call delivered was never counted",
    file: "src/engine/audit.ts",
    find: 'total("delivered"), total("duplicate")',
    replace: 'total("delivered") - 7, total("duplicate") + 7',
    by: fault("producer-sends-again"),
  },
  {
    name: "lease-of-a-minute",
    breaks: "partitions of a dead worker stand still far longer than is promised",
    file: "src/engine/worker.ts",
    find: "leaseMs: leaseTtlMs,",
    replace: "leaseMs: leaseTtlMs + 18_000,",
    by: fault("killed-before-insert"),
  },
];
