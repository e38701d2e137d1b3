import { ConfigError, messageOf, TerminalError } from "../core/errors.ts";
import { describeIssues } from "../core/schema-issues.ts";
import type { FoldPlan } from "../plan/plan.ts";
import type { Timer, Timers } from "../plan/timer.ts";
import type { StateAndTimers } from "../stages/run.ts";

/** What is stored of a key's state. An on-disk contract. */
export interface StateRecord {
  /** The version of the state's form. */
  readonly v: number;
  /** When it was written, milliseconds since the epoch. */
  readonly at: number;
  readonly s: unknown;
  /** Its timers: event or processing time, when, and 1 where it has fired. Left out where there are none. */
  readonly t?: Readonly<Record<string, readonly [clock: "e" | "p", at: number, fired?: 1]>>;
}

/** How the states of a stage are read. */
export type StateForm = Pick<FoldPlan, "version" | "migrate" | "schema">;

/** What the states of a stage are like. */
export interface StageForm extends StateForm {
  readonly stage: string;
  /** How long ids are remembered, milliseconds, where the stage remembers some. */
  readonly horizonMs: number | undefined;
}

/** @throws ConfigError where the state is not JSON */
export function encodeState(
  name: { readonly stage: string; readonly key: string },
  { state, timers }: StateAndTimers,
  { version, now }: { readonly version: number; readonly now: number },
): string {
  const t = Object.entries(timers).map(
    ([timer, { clock, at, fired }]) => `${JSON.stringify(timer)}:["${clock === "event" ? "e" : "p"}",${at}${fired ? ",1" : ""}]`,
  );
  // Put together by hand, since every event makes one.
  return `{"v":${version},"at":${now},"s":${jsonOf(name, state)}${t.length > 0 ? `,"t":{${t.join()}}` : ""}}`;
}

function jsonOf(name: { readonly stage: string; readonly key: string }, state: unknown): string {
  try {
    const json = JSON.stringify(state) as string | undefined;
    if (json !== undefined) return json;
    throw new TypeError(`a ${typeof state} cannot be written`);
  } catch (error) {
    throw new ConfigError(
      "config.invalid",
      `the state that stage '${name.stage}' keeps for '${name.key}' is not JSON: ${messageOf(error)}`,
      {
        cause: error,
        hint: "Keep strings, finite numbers, booleans, null, arrays and plain objects.",
      },
    );
  }
}

/** @throws TerminalError `state.unreadable` where it is not what `encodeState` writes, however it came there */
export function parseState({ stage, key }: { readonly stage: string; readonly key: string }, json: string): StateRecord {
  const fault = (why: string, cause?: unknown) =>
    new TerminalError("state.unreadable", `the state that stage '${stage}' keeps for '${key}' cannot be read: ${why}`, {
      cause,
      hint: "It stays as it is. Put back what was there, or remove it to begin anew: see 'A state that cannot be read' in docs/operations.md.",
    });
  let record: Partial<StateRecord> | null;
  try {
    record = JSON.parse(json);
  } catch (error) {
    throw fault("it is not JSON", error);
  }
  if (typeof record?.v !== "number" || !isTime(record.at) || record.s === undefined)
    throw fault("it lacks its version, its time or its content");
  if (record.t !== undefined && !areTimers(record.t)) throw fault("its timers are none");
  return record as StateRecord;
}

const areTimers = (t: unknown): boolean =>
  typeof t === "object" &&
  t !== null &&
  Object.values(t).every((timer) => Array.isArray(timer) && (timer[0] === "e" || timer[0] === "p") && isTime(timer[1]));

/** Beyond, there is no Date. */
const isTime = (ms: unknown): boolean => typeof ms === "number" && Math.abs(ms) <= 8.64e15;

/**
 * @throws TerminalError `state.unreadable`; ConfigError where the state is of another form than the stage's, and nothing says what
 * becomes of it
 */
export function decodeState(
  name: { readonly stage: string; readonly key: string },
  json: string,
  form: StateForm,
): StateAndTimers {
  const record = parseState(name, json);
  const state = inForm(name, record, form);
  const timers: Record<string, Timer> = {};
  for (const [timer, [clock, at, fired]] of Object.entries(record.t ?? {})) {
    timers[timer] = { clock: clock === "e" ? "event" : "processing", at, ...(fired && { fired: true }) };
  }
  return { state, timers: timers satisfies Timers };
}

/**
 * The state of a record, brought up to the form of its stage.
 * @throws ConfigError where it is of another form, and nothing says what becomes of it
 */
export function inForm(
  { stage, key }: { readonly stage: string; readonly key: string },
  { v, s }: StateRecord,
  form: StateForm,
): unknown {
  const where = `the state that stage '${stage}' keeps for '${key}'`;
  if (v > form.version)
    throw new ConfigError("state.version", `${where} is of version ${v}, and this code knows ${form.version}`, {
      hint: "A newer version has run here. Deploy it again, or one that knows its states.",
    });
  let state = s;
  if (v < form.version) {
    if (!form.migrate)
      throw new ConfigError(
        "state.version",
        `${where} is of version ${v}, this code's is ${form.version}, and nothing brings it there`,
        {
          hint: "Give the stage a function 'migrate'.",
        },
      );
    state = migrated(where, { s, v }, form.migrate);
  }
  check(where, state, form);
  return state;
}

function migrated(where: string, { s, v }: Pick<StateRecord, "s" | "v">, migrate: NonNullable<StateForm["migrate"]>): unknown {
  try {
    return migrate(s, v);
  } catch (error) {
    throw new ConfigError("state.version", `${where} is of version ${v}, and 'migrate' fails on it: ${messageOf(error)}`, {
      cause: error,
      hint: "Correct the stage's function 'migrate'.",
    });
  }
}

function check(where: string, state: unknown, { schema }: StateForm): void {
  const result = schema?.["~standard"].validate(state);
  if (result instanceof Promise)
    throw new ConfigError("config.invalid", `${where}: its schema answers with a promise`, {
      hint: "Use a schema without asynchronous checks.",
    });
  if (result?.issues)
    throw new ConfigError("state.version", `${where} does not fit its schema: ${describeIssues(result.issues)}`, {
      hint: "Raise the stage's version and say in 'migrate' what becomes of older states.",
    });
}
