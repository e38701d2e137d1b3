import type { Audit } from "../../src/engine/audit.ts";
import { pipelineName, type Rig } from "./rig.ts";

/** What the outputs say, beside what was acknowledged. Every number is counted here, by code that shares nothing with the engine. */
export interface Outputs {
  readonly attempted: number;
  readonly acknowledged: number;
  /** Attempted by a producer of ours, and not acknowledged when all was over. */
  readonly refused: number;
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
  /** Events that one of the two sinks has and the other has not: of those nobody can tell whether they came in their turn. */
  readonly unproven: number;
  /** Writings of events by the place at which their key's state saw them. */
  readonly places: Readonly<Record<string, number>>;
  /** Users for whom the aggregate, fed by a materialised view, differs from the table. */
  readonly wrongAggregates: number;
  readonly deadLetters: readonly DeadLetterLine[];
  /** Events in the logs, as they are now. */
  readonly stored: number;
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
  const { attempted, acknowledged, unanswered } = rig.workload;
  const [rows, places, [raw], [unproven], aggregates, stored] = await Promise.all([
    rig.query<{ id: string; times: string }>("SELECT toString(event_id) AS id, count() AS times FROM landed FINAL GROUP BY id"),
    rig.query<{ place: string; times: string }>("SELECT place, count() AS times FROM writings GROUP BY place"),
    rig.query<{ rows: string; ids: string }>("SELECT count() AS rows, uniqExact(event_id) AS ids FROM writings"),
    rig.query<{ events: string }>(
      "SELECT uniqExact(event_id) AS events FROM (SELECT event_id FROM landed UNION ALL SELECT event_id FROM writings) WHERE event_id NOT IN (SELECT event_id FROM writings) OR event_id NOT IN (SELECT event_id FROM landed)",
    ),
    rig.query<{ wrong: string }>(
      "SELECT count() AS wrong FROM (SELECT user_id, uniqExact(event_id) AS events, max(n) AS last FROM landed FINAL GROUP BY user_id) AS l FULL JOIN users AS u ON u.user_id = l.user_id WHERE u.events != l.events OR u.last != l.last",
    ),
    rig.storedEvents(),
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
    refused: [...attempted.keys()].filter((id) => !acknowledged.has(id) && !unanswered.has(id)).length,
    landed: there,
    setAside: aside,
    // While something is still to be read nobody can say that it is lost.
    waiting: unsettled === undefined ? 0 : missing,
    lost: unsettled === undefined ? missing : 0,
    phantoms: [...landed].filter((id) => !attempted.has(id)).length,
    visibleDuplicates: rows.reduce((sum, { times }) => sum + Number(times) - 1, 0),
    rawDuplicates: Number(raw?.rows) - Number(raw?.ids),
    unproven: Number(unproven?.events),
    places: Object.fromEntries(places.map(({ place, times }) => [place, Number(times)])),
    wrongAggregates: Number(aggregates[0]?.wrong),
    deadLetters,
    stored,
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
  /** Events that have landed, and are gone from Redis since. @default 0 */
  readonly forgotten?: number;
  /** Events set aside, by reason, as the audit has it. @default {} */
  readonly deadLettered?: Readonly<Record<string, number>>;
  /** Events that were sent twice are seen twice by a fold. @default none are */
  readonly maySeeAgain?: boolean;
  /** The state of the fold was removed. @default it was not */
  readonly mayResume?: boolean;
  /** Events are missing by somebody's hand, and leave gaps. @default none are */
  readonly mayHaveGaps?: boolean;
  /** Events that were attempted and never acknowledged: Redis is in order in the end, so all others must be. @default 0 */
  readonly refused?: number;
  /** How many events the ledger has read: `stored` are those that are in the logs now. @default what was acknowledged */
  readonly read?: number | "stored";
  /** Events that must have been delivered. @default what was read and not set aside */
  readonly delivered?: number;
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
  const { lost = 0, vanished = 0, forgotten = 0, deadLettered = {}, refused = 0 } = expectation;
  const faults = [...(expectation.faults ?? [])];
  const expect = (holds: boolean, fault: string) => void (holds || faults.push(fault));
  expect(outputs.acknowledged > 0, "nothing was acknowledged: the fault proves nothing");
  if (expectation.mustLose) {
    expect(outputs.lost > 0, "a consumer that loses events was killed, and the suite sees no loss");
    expect(outputs.landed > 0, "a consumer that should work lands nothing: what is lost proves nothing");
    return faults;
  }
  expect(
    outputs.refused === refused,
    `${outputs.refused} of ${outputs.attempted} events were never acknowledged, ${refused} are expected`,
  );
  expect(
    outputs.unsettled === undefined,
    `${outputs.waiting} acknowledged events were not settled in time: ${outputs.unsettled}`,
  );
  expect(
    outputs.lost === lost + vanished,
    `${outputs.lost} of ${outputs.acknowledged} acknowledged events are lost, ${lost + vanished} are expected`,
  );
  if (lost > 0) expect(audit.lost === lost, `the audit says that ${audit.lost} events are lost, and ${lost} are`);
  const told = vanished + forgotten;
  if (told > 0) expect(audit.vanished === told, `the audit says that ${audit.vanished} events have vanished, and ${told} have`);
  expect(outputs.phantoms === 0, `${outputs.phantoms} rows are of events that nobody sent`);
  expect(outputs.visibleDuplicates === 0, `${outputs.visibleDuplicates} rows are there twice under FINAL`);
  expect(outputs.wrongAggregates === 0, `${outputs.wrongAggregates} users have an aggregate that differs from their rows`);
  expect(outputs.unproven === 0, `${outputs.unproven} events are in one of the two tables and not in the other`);
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
  // Over a hole it never is.
  if (vanished + forgotten > 0) expect(!audit.balanced, "the audit is balanced over what has vanished");
  else expect(audit.balanced, `the audit is not balanced: ${JSON.stringify(audit)}`);
  expect(audit.inFlight === 0, `${audit.inFlight} events are still in flight`);
  expect(
    sameCounts(audit.deadLettered, deadLettered),
    `set aside: ${JSON.stringify(audit.deadLettered)}, expected ${JSON.stringify(deadLettered)}`,
  );
  const kept = eventsByReason(outputs.deadLetters);
  expect(
    sameCounts(audit.deadLettered, kept),
    `the ledger has set aside ${JSON.stringify(audit.deadLettered)}, and the dead letters hold ${JSON.stringify(kept)}`,
  );
  // An application that is looked at by its fault has books of its own.
  if (expectation.outputs === undefined) faults.push(...judgeLedger(outputs, expectation));
  return faults;
}

/** Every counter of the ledger, beside what was counted here. The suite's application drops nothing, and nothing in it is late. */
function judgeLedger({ audit, acknowledged, stored }: Outputs, expectation: Expectation): readonly string[] {
  const read = expectation.read === "stored" ? stored : (expectation.read ?? acknowledged);
  const setAside = Object.values(expectation.deadLettered ?? {}).reduce((sum, n) => sum + n, 0);
  const { delivered = read - setAside } = expectation;
  const dropped = Object.values(audit.dropped).reduce((sum, n) => sum + n, 0);
  const counters = [
    ["has read", audit.read, read],
    ["has delivered", audit.delivered, delivered],
    ["has dropped", dropped, 0],
    ["takes for duplicates", audit.duplicate, 0],
    ["takes for late", audit.late, 0],
  ] as const;
  return counters.flatMap(([does, told, counted]) =>
    told === counted ? [] : [`the ledger ${does} ${told} events, and ${counted} were counted`],
  );
}

/** How many events the dead letters are of: one each, or as many as a frame that is kept whole says it holds. */
function eventsByReason(letters: readonly DeadLetterLine[]): Readonly<Record<string, number>> {
  const events: Record<string, number> = {};
  for (const { reason, original, fields } of letters) {
    const [announced] = original === null ? fields.filter(({ name }) => name === "n") : [];
    events[reason] = (events[reason] ?? 0) + Number(announced?.text ?? 1);
  }
  return events;
}

const sameCounts = (one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])].every((name) => (one[name] ?? 0) === (other[name] ?? 0));
