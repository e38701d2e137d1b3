import type { Envelope } from "../../../src/bus/envelope.ts";
import { EntryFields } from "../../../src/bus/fields.ts";
import { partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { type Audit, audit } from "../../../src/engine/audit.ts";
import type { StreamPlan } from "../../../src/plan/plan.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { copies, notes, numbers, pipelines, sagaId, spanMs, spans } from "./pipelines/index.ts";
import { faultsOfRolling, type RolledUp } from "./rolling.ts";
import { faultsOfRuns, type Runs } from "./sagas.ts";

interface Number {
  readonly key: string;
  readonly n: number;
}

export const numberOf = ({ data }: Envelope): number => (data as Number).n;

/** Every event that is in the logs of a stream now, oldest first. */
export async function eventsIn(bus: Bus, stream: StreamPlan): Promise<readonly Envelope[]> {
  const events: Envelope[] = [];
  for (const partition of partitionsOf(stream)) {
    const pages: Envelope[][] = [];
    for (let before: string | undefined; ; ) {
      const page = await bus.newest(partition, { before, count: 200 });
      for (const { fields } of page) {
        pages.push([...decodeAll(new EntryFields(fields))]);
      }
      before = page.at(-1)?.id;
      if (page.length < 200) break;
    }
    events.push(...pages.reverse().flat());
  }
  return events;
}

/** What a fold has counted, over all keys. */
async function seenBy(bus: Bus, pipeline: string, stream: StreamPlan, keys: ReadonlySet<string>): Promise<readonly number[]> {
  const seen: number[] = [];
  for (const partition of partitionsOf(stream)) {
    for (const key of keys) {
      const json = await bus.peek(partition, pipeline, `seen\n${key}`);
      if (json !== null) seen.push(...(JSON.parse(json).s as number[]));
    }
  }
  return seen;
}

export interface Recount {
  /** What does not hold, in sentences. */
  readonly faults: readonly string[];
  readonly audits: Readonly<Record<string, Audit>>;
  /** Numbers in the log. */
  readonly stored: number;
  /** Numbers that were acknowledged and are not in the log. */
  readonly gone: number;
  /** Numbers in the log whose copies are not in theirs. */
  readonly uncopied: number;
  /** Sagas that have ended, and whose notes are not in their log. */
  readonly unnoted: number;
}

/** What lies beside the bus; where it has gone back, they have not. */
export interface Beside {
  readonly runs: Runs;
  readonly rolledUp: RolledUp;
}

/**
 * Counts the logs as they are now, by loops that share nothing with the engine, and compares. `acknowledged`: how often each number was.
 */
export async function recount(
  bus: Bus,
  acknowledged: ReadonlyMap<number, number>,
  beside: Beside | undefined = undefined,
): Promise<Recount> {
  const faults: string[] = [];
  const log = await eventsIn(bus, numbers.plan);
  const copied = await eventsIn(bus, copies.plan);
  const told = await eventsIn(bus, spans.plan);
  const noted = distinctOf(await eventsIn(bus, notes.plan));
  const keys = new Set([...log, ...copied, ...noted].map(({ data }) => (data as Number).key));
  const distinct = distinctOf(log);

  const same = (what: string, actual: readonly number[], expected: readonly number[]) => {
    const { missing, extra } = difference(actual, expected);
    if (missing.length > 0) faults.push(`${what}: ${missing.length} of ${expected.length} are missing (${missing.slice(0, 5)})`);
    if (extra.length > 0) faults.push(`${what}: ${extra.length} are one too many (${extra.slice(0, 5)})`);
  };
  same("the fold", await seenBy(bus, "folded", numbers.plan, keys), log.map(numberOf));
  same("the fold behind a dedupe", await seenBy(bus, "once", numbers.plan, keys), distinct.map(numberOf));
  same("the fold of the derived stream", await seenBy(bus, "folded-copies", copies.plan, keys), copied.map(numberOf));
  same("the fold of the notes", await seenBy(bus, "folded-notes", notes.plan, keys), noted.map(numberOf));

  const audits = Object.fromEntries(
    await Promise.all(pipelines.map(async ({ plan }) => [plan.name, await audit(plan, bus)] as const)),
  );
  const inLog = new Set(log.map(numberOf));
  const gone = [...acknowledged.keys()].filter((n) => !inLog.has(n)).length;
  const twice = copied.length - new Set(copied.map(({ id }) => id)).size;
  if (twice > 0) faults.push(`the derived stream: ${twice} are there twice`);
  const inCopies = new Set(copied.map(numberOf));
  const uncopied = distinct.filter((event) => !inCopies.has(numberOf(event))).length;
  const strays = [...inCopies].filter((n) => !inLog.has(n)).length;
  if (strays > gone) faults.push(`the derived stream: ${strays} are of no event that there ever was`);

  const statuses = beside?.runs.statuses ?? new Map();
  if (beside) faults.push(...faultsOfRuns(beside.runs, inLog, gone), ...faultsOfRolling(beside.rolledUp, inLog, gone));
  const inNotes = new Set(noted.map((event) => sagaId(numberOf(event))));
  const unnoted = [...statuses.keys()].filter((name) => !inNotes.has(name)).length;
  const untrue = [...inNotes].filter((name) => !statuses.has(name)).length;
  if (untrue > 0) faults.push(`the notes: ${untrue} are of no saga`);
  const doubled = noted.filter(({ data }) => (data as { readonly repeated: number }).repeated > 0).length;
  if (doubled > 0) faults.push(`the notes: ${doubled} sagas have seen a number twice in the fold behind a dedupe`);

  faults.push(...faultsOfSpans(distinct, told, { mayLack: audits["spanning"]?.vanished ?? 0, gone }));
  // What is gone of what each has read, or made.
  const holes: Readonly<Record<string, number>> = {
    "folded-copies": Math.min(uncopied, 1),
    "folded-notes": unnoted,
    copying: Math.max(gone, uncopied),
  };
  for (const {
    pipeline,
    read,
    inFlight,
    vanished,
    balanced,
    late,
    duplicate,
    delivered,
    dropped,
    deadLettered,
    lost,
  } of Object.values(audits)) {
    const sum = delivered + (dropped["has a saga"] ?? 0) + duplicate + late + inFlight;
    if (read !== sum)
      faults.push(
        `${pipeline}: ${read} read, ${sum} have an outcome or are in flight, set aside: ${JSON.stringify(deadLettered)}`,
      );
    if (inFlight !== 0) faults.push(`${pipeline}: ${inFlight} are in flight for ever`);
    if (lost !== 0) faults.push(`${pipeline}: ${lost} are told as lost`);
    if (balanced !== (vanished === 0)) faults.push(`${pipeline}: balanced is ${balanced}, with ${vanished} vanished`);
    const hole = holes[pipeline] ?? gone;
    if (vanished < hole) faults.push(`${pipeline}: ${vanished} are told as vanished, and ${hole} are gone`);
  }
  return { faults, audits, stored: log.length, gone, uncopied, unnoted };
}

const distinctOf = (events: readonly Envelope[]) => [...new Map(events.map((event) => [event.id, event])).values()];

/** Spans are told once for each result; the last that was told of a span is its count. One that holds what is gone may stand as it was. */
function faultsOfSpans(
  events: readonly Envelope[],
  told: readonly Envelope[],
  { mayLack, gone }: { readonly mayLack: number; readonly gone: number },
): readonly string[] {
  const expected = new Map<string, number>();
  for (const { time, data } of events) {
    const name = `${(data as Number).key} ${time - (time % spanMs)}`;
    expected.set(name, (expected.get(name) ?? 0) + 1);
  }
  const actual = new Map<string, number>();
  for (const { data } of told) {
    const { key, start, numbers: n } = data as { readonly key: string; readonly start: number; readonly numbers: number };
    actual.set(`${key} ${start}`, n);
  }
  const twice = told.length - new Set(told.map(({ id }) => id)).size;
  const wrong = [...expected].filter(([name, n]) => actual.get(name) !== n);
  const beyond = [...actual.keys()].filter((name) => !expected.has(name)).length;
  return [
    ...(twice > 0 ? [`the windows: ${twice} are told twice`] : []),
    ...(wrong.length > mayLack + gone
      ? [
          `the windows: ${wrong.length} of ${expected.size} are not as recounted (${wrong.slice(0, 3).map(([name, n]) => `${name}: ${n}, told ${actual.get(name)}`)})`,
        ]
      : []),
    ...(beyond > gone ? [`the windows: ${beyond} are of no event`] : []),
  ];
}

export function difference(actual: readonly number[], expected: readonly number[]) {
  const left = new Map<number, number>();
  for (const n of expected) left.set(n, (left.get(n) ?? 0) + 1);
  const extra: number[] = [];
  for (const n of actual) {
    const open = left.get(n) ?? 0;
    if (open > 0) left.set(n, open - 1);
    else extra.push(n);
  }
  return { extra, missing: [...left].flatMap(([n, times]) => new Array<number>(times).fill(n)) };
}
