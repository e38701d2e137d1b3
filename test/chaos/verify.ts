import type { Audit } from "../../src/engine/audit.ts";
import { pipelineName, type Rig } from "./rig.ts";

/** What the outputs say, beside what was acknowledged. Every number is counted here, by code that shares nothing with the engine. */
export interface Outputs {
  readonly attempted: number;
  readonly acknowledged: number;
  /** Acknowledged, and in the table. */
  readonly landed: number;
  /** Acknowledged, and a dead letter. */
  readonly setAside: number;
  /** Acknowledged, and not read or not settled when time was up. */
  readonly waiting: number;
  /** Acknowledged, and nowhere. */
  readonly lost: number;
  /** Rows of events that nobody sent. */
  readonly phantoms: number;
  /** Rows beyond one an event, read with FINAL. */
  readonly visibleDuplicates: number;
  /** Rows beyond one an event, as they were written: what FINAL hides. */
  readonly rawDuplicates: number;
  /** Writings of events by the place at which their key's state saw them. */
  readonly places: Readonly<Record<string, number>>;
  /** Users for whom the aggregate, fed by a materialised view, differs from the table. */
  readonly wrongAggregates: number;
  readonly deadLetters: readonly DeadLetterLine[];
  readonly audit: Audit;
  /** What was left unread or unsettled when time was up. */
  readonly unsettled: string | undefined;
}

export interface DeadLetterLine {
  readonly stage: string;
  readonly reason: string;
  readonly error: string;
  readonly event: string;
  readonly original: string | null;
  readonly fields: readonly { readonly name: string; readonly text?: string; readonly base64?: string }[];
}

/** Reads everything that came out. */
export async function readOutputs(rig: Rig, unsettled: string | undefined): Promise<Outputs> {
  const { attempted, acknowledged } = rig.workload;
  const [rows, places, [raw], aggregates] = await Promise.all([
    rig.query<{ id: string; times: string }>("SELECT toString(event_id) AS id, count() AS times FROM landed FINAL GROUP BY id"),
    rig.query<{ place: string; times: string }>("SELECT place, count() AS times FROM writings GROUP BY place"),
    rig.query<{ rows: string; ids: string }>("SELECT count() AS rows, uniqExact(event_id) AS ids FROM writings"),
    rig.query<{ wrong: string }>(
      "SELECT count() AS wrong FROM (SELECT user_id, uniqExact(event_id) AS events, max(n) AS last FROM landed FINAL GROUP BY user_id) AS l FULL JOIN users AS u ON u.user_id = l.user_id WHERE u.events != l.events OR u.last != l.last",
    ),
  ]);
  const audits = linesOf<Audit>((await rig.verb("audit", "--json")).stdout);
  const deadLetters = linesOf<DeadLetterLine>((await rig.verb("dlq", "show", "--json")).stdout);
  const audit = audits.find(({ pipeline }) => pipeline === pipelineName);
  if (!audit) throw new Error("headrace audit has no line of the pipeline");

  const landed = new Set(rows.map(({ id }) => id));
  const setAside = new Set(deadLetters.flatMap(eventsOf));
  const there = [...acknowledged].filter((id) => landed.has(id)).length;
  const aside = [...acknowledged].filter((id) => !landed.has(id) && setAside.has(id)).length;
  const missing = acknowledged.size - there - aside;
  return {
    attempted: attempted.size,
    acknowledged: acknowledged.size,
    landed: there,
    setAside: aside,
    // While something is still to be read nobody can say that it is lost.
    waiting: unsettled === undefined ? 0 : missing,
    lost: unsettled === undefined ? missing : 0,
    phantoms: [...landed].filter((id) => !attempted.has(id)).length,
    visibleDuplicates: rows.reduce((sum, { times }) => sum + Number(times) - 1, 0),
    rawDuplicates: Number(raw?.rows) - Number(raw?.ids),
    places: Object.fromEntries(places.map(({ place, times }) => [place, Number(times)])),
    wrongAggregates: Number(aggregates[0]?.wrong),
    deadLetters,
    audit,
    unsettled,
  };
}

/** The events that a dead letter keeps: the one that it names, or all of a frame that was set aside whole. */
function eventsOf({ event, fields }: DeadLetterLine): readonly string[] {
  const body = fields.find(({ name }) => name === "d");
  const text = body?.text ?? (body?.base64 === undefined ? undefined : Buffer.from(body.base64, "base64").toString());
  if (text === undefined) return [event];
  try {
    const { id } = JSON.parse(text) as { readonly id?: readonly string[] };
    return [event, ...(id ?? [])];
  } catch {
    return [event];
  }
}

export const linesOf = <Line>(stdout: string): readonly Line[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

/** What is expected, where it is not the rule: nothing lost, nothing twice, nothing out of turn, nothing set aside. */
export interface Expectation {
  /** Events that may be gone, since somebody removed them: exactly so many, and the audit must say so. @default 0 */
  readonly lost?: number;
  /** Events that Redis has lost after it acknowledged them: exactly so many, and the audit must say so. @default 0 */
  readonly vanished?: number;
  /** Events set aside, by reason, as the audit has it. @default {} */
  readonly deadLettered?: Readonly<Record<string, number>>;
  /** Events that were sent twice are seen twice by a fold. @default none are */
  readonly maySeeAgain?: boolean;
  /** The state of the fold was removed. @default it was not */
  readonly mayResume?: boolean;
  /** Events are missing by somebody's hand, and leave gaps. @default none are */
  readonly mayHaveGaps?: boolean;
  /** How many events the ledger has read; `any` where it was removed, or counts from anew. @default what was acknowledged */
  readonly read?: number | "any";
  /** It is no consumer of ours, and the suite is to see what it loses. @default false */
  readonly mustLose?: boolean;
  /** What was not settled in time, where that was waited for already. */
  readonly unsettled?: string;
  /** What came out, where `run` has looked itself. */
  readonly outputs?: Outputs;
  /** What else must hold: sentences about what does not. */
  readonly faults?: readonly string[];
}

/** What the outputs fail to show, in sentences; none when all is as expected. */
export function judge(outputs: Outputs, expectation: Expectation): readonly string[] {
  const { audit, places } = outputs;
  const { lost = 0, vanished = 0, deadLettered = {}, read = outputs.acknowledged } = expectation;
  const faults = [...(expectation.faults ?? [])];
  const expect = (holds: boolean, fault: string) => void (holds || faults.push(fault));
  expect(outputs.acknowledged > 0, "nothing was acknowledged: the fault proves nothing");
  if (expectation.mustLose) {
    expect(outputs.lost > 0, "a consumer that loses events was killed, and the suite sees no loss");
    expect(outputs.landed > 0, "a consumer that should work lands nothing: what is lost proves nothing");
    return faults;
  }
  expect(
    outputs.unsettled === undefined,
    `${outputs.waiting} acknowledged events were not settled in time: ${outputs.unsettled}`,
  );
  expect(
    outputs.lost === lost + vanished,
    `${outputs.lost} of ${outputs.acknowledged} acknowledged events are lost, ${lost + vanished} are expected`,
  );
  if (lost > 0) expect(audit.lost === lost, `the audit says that ${audit.lost} events are lost, and ${lost} are`);
  if (vanished > 0)
    expect(audit.vanished === vanished, `the audit says that ${audit.vanished} events have vanished, and ${vanished} have`);
  expect(outputs.phantoms === 0, `${outputs.phantoms} rows are of events that nobody sent`);
  expect(outputs.visibleDuplicates === 0, `${outputs.visibleDuplicates} rows are there twice under FINAL`);
  expect(outputs.wrongAggregates === 0, `${outputs.wrongAggregates} users have an aggregate that differs from their rows`);
  const forbidden = [
    ["behind", false],
    ["gap", expectation.mayHaveGaps],
    ["again", expectation.maySeeAgain],
    ["resumed", expectation.mayResume],
  ] as const;
  for (const [place, allowed] of forbidden)
    expect(
      allowed === true || !places[place],
      `${places[place]} writings are of events that the state of their key saw as '${place}'`,
    );
  expect(audit.balanced, `the audit is not balanced: ${JSON.stringify(audit)}`);
  expect(audit.inFlight === 0, `${audit.inFlight} events are still in flight`);
  expect(read === "any" || audit.read === read, `the ledger has read ${audit.read} events, and ${read} were sent`);
  expect(
    sameCounts(audit.deadLettered, deadLettered),
    `set aside: ${JSON.stringify(audit.deadLettered)}, expected ${JSON.stringify(deadLettered)}`,
  );
  return faults;
}

const sameCounts = (one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])].every((name) => (one[name] ?? 0) === (other[name] ?? 0));
