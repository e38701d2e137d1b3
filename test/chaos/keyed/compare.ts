import type { Audit } from "../../../src/engine/audit.ts";
import type { Rig } from "../rig.ts";
import { type DeadLetterLine, linesOf, type Outputs } from "../verify.ts";
import { type Books, parts } from "./truth.ts";

/** Lines of a part that a sentence about it shows. */
const shown = 2;

interface Difference {
  readonly expected: number;
  readonly matched: number;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly twice: readonly string[];
}

function compare(expected: readonly string[], actual: readonly string[]): Difference {
  const left = new Map<string, number>();
  for (const one of expected) left.set(one, (left.get(one) ?? 0) + 1);
  const known = new Set(expected);
  const [extra, twice]: [string[], string[]] = [[], []];
  for (const one of actual) {
    const open = left.get(one) ?? 0;
    if (open > 0) left.set(one, open - 1);
    else (known.has(one) ? twice : extra).push(one);
  }
  const missing = [...left].flatMap(([one, times]) => Array.from({ length: times }, () => one));
  return { expected: expected.length, matched: expected.length - missing.length, missing, extra, twice };
}

export interface Comparison {
  readonly differences: Readonly<Record<string, Difference>>;
  /** What differs, in sentences. */
  readonly faults: readonly string[];
  /** What agrees, in a few words. */
  readonly summary: string;
}

export function compareBooks(truth: Books, books: Books): Comparison {
  const differences = Object.fromEntries(parts.map((part) => [part, compare(truth[part], books[part])]));
  const faults = Object.entries(differences).flatMap(([part, { missing, extra, twice, expected }]) => {
    if (expected === 0) return [`there should be no ${part}: the fault proves nothing of them`];
    return Object.entries({ missing, extra, twice }).flatMap(([what, lines]) =>
      lines.length > 0 ? [`${part}: ${lines.length} ${what}, such as ${lines.slice(0, shown).join(" and ")}`] : [],
    );
  });
  const summary = Object.entries(differences).map(([part, { matched, expected }]) => `${part} ${matched} of ${expected}`);
  return { differences, faults, summary: summary.join(", ") };
}

/** Rows beyond those that FINAL shows. Parts that were merged meanwhile hide some: it is for information. */
const rowsUnderFinal = ["login_events", "cart_events", "meter_results"]
  .map((table) => `SELECT (SELECT count() FROM ${table}) - (SELECT count() FROM ${table} FINAL) AS rows`)
  .join(" UNION ALL ");

/** The numbers of the report. Here they are of lines of the books: rows, states, workflows and derived events. */
export async function outputsOf(rig: Rig, { differences }: Comparison, events: number): Promise<Outputs> {
  const total = (count: (difference: Difference) => number) =>
    Object.values(differences).reduce((sum, difference) => sum + count(difference), 0);
  const audits = linesOf<Audit>((await rig.verb("audit", "--json")).stdout);
  const deadLetters = linesOf<DeadLetterLine>((await rig.verb("dlq", "show", "--json")).stdout);
  const [raw] = await rig.query<{ rows: string }>(`SELECT sum(rows) AS rows FROM (${rowsUnderFinal})`);
  const sum = (count: (audit: Audit) => number) => audits.reduce((all, audit) => all + count(audit), 0);
  return {
    attempted: events,
    acknowledged: events,
    refused: 0,
    landed: total(({ matched }) => matched),
    setAside: deadLetters.length,
    waiting: 0,
    lost: total(({ missing }) => missing.length),
    phantoms: total(({ extra }) => extra.length),
    visibleDuplicates: total(({ twice }) => twice.length),
    rawDuplicates: Number(raw?.rows),
    unproven: 0,
    places: {},
    wrongAggregates: 0,
    deadLetters,
    stored: events,
    audit: {
      pipeline: "all",
      ...{ read: sum(({ read }) => read), delivered: sum(({ delivered }) => delivered), emitted: sum(({ emitted }) => emitted) },
      dropped: {},
      deadLettered: added(audits.map(({ deadLettered }) => deadLettered)),
      ...{
        duplicate: sum(({ duplicate }) => duplicate),
        late: sum(({ late }) => late),
        inFlight: sum(({ inFlight }) => inFlight),
      },
      ...{ lost: sum(({ lost }) => lost), vanished: sum(({ vanished }) => vanished) },
      balanced: audits.length > 0 && audits.every(({ balanced }) => balanced),
    },
    unsettled: undefined,
  };
}

function added(counts: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [reason, n] of counts.flatMap(Object.entries<number>)) sums[reason] = (sums[reason] ?? 0) + n;
  return sums;
}
