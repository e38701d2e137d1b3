import type { Check, Mutant } from "../mutant.ts";

const wraps = "src/stages/guard-wraps.ts";
const answers = "src/stages/kept-answers.ts";
const guards: Check = { kind: "tests", files: ["test/unit/stages/guard.test.ts"] };
const kept: Check = { kind: "tests", files: ["test/unit/stages/kept-answers.test.ts"] };

/** What stands before a stage's function, and what is kept of its answers. */
export const stageGuards: readonly Mutant[] = [
  {
    name: "guards-inside-out",
    breaks: "a wait between tries holds a slot, and each wait for a token counts as time",
    file: "src/stages/guard.ts",
    find: "guardNames.reduceRight(",
    replace: "guardNames.reduce(",
    by: guards,
  },
  {
    name: "breaker-looked-at-too-early",
    breaks: "calls that waited for a token are made although the breaker has opened meanwhile",
    file: wraps,
    find: "if (!breaker.enter()) throw isOpen();",
    replace: "breaker.enter();",
    by: guards,
  },
  {
    name: "slot-free-with-the-answer",
    breaks: "calls that were given up and go on pile up beyond the limit",
    file: wraps,
    find: "void call.ended.then(leave);",
    replace: "void call.answer.then(leave, leave);",
    by: guards,
  },
  {
    name: "cost-of-no-number",
    breaks: "one value whose cost is no number stops the stage for ever",
    file: wraps,
    find: "if (Number.isFinite(tokens) && tokens >= 0) return tokens;",
    replace: "return tokens;",
    by: guards,
  },
  {
    name: "answers-never-age",
    breaks: "what was found once is used for as long as the worker lives",
    file: answers,
    find: "if (clock.monotonic() < kept.until) {",
    replace: "if (kept.until) {",
    by: kept,
  },
  {
    name: "answers-without-a-bound",
    breaks: "a stream of ever new keys fills the worker's memory",
    file: answers,
    find: "if (oldest !== undefined && known.size > maxEntries) known.delete(oldest);",
    replace: "",
    by: kept,
  },
  {
    name: "shared-call-broken-off-by-the-first",
    breaks: "a partition that is lost fails the events of others that wait for the same answer",
    file: answers,
    find: "if (call.waiting > 0) return;",
    replace: "",
    by: kept,
  },
  {
    name: "failure-kept-as-an-answer",
    breaks: "who asks again joins the call that has failed already",
    file: answers,
    find: "() => leaveOff(key, call),",
    replace: "() => {},",
    by: kept,
  },
  {
    name: "wide-enum-cut-as-a-narrow-one",
    breaks: "where ClickHouse refuses a row, all rows of a table with more than 127 names in an enum are refused with it",
    file: "src/sinks/clickhouse/column-kinds.ts",
    find: "layout: ({ values }) => fixed(enumBits(values) / 8),",
    replace: "layout: () => fixed(1),",
    by: { kind: "tests", files: ["test/unit/sinks/clickhouse/block.test.ts"] },
  },
  {
    name: "numbers-rounded-on-their-way",
    breaks: "`headrace sql` prints other digits than ClickHouse has",
    file: "src/core/exact-json.ts",
    find: "number.test(token) && String(Number(token)) !== token",
    replace: "false && number.test(token)",
    by: { kind: "tests", files: ["test/unit/core/exact-json.test.ts"] },
  },
];
