import { deepStrictEqual } from "node:assert/strict";
import { hours } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { SagaPlan, SagaStepPlan } from "../plan/saga.ts";
import type { Saga, SagaOutcome, SagaRefusal, SagaView } from "../saga/index.ts";
import type { ActivityTry } from "./temporal/activity-call.ts";
import type { WorkflowRun } from "./temporal/run.ts";
import { VirtualClock } from "./virtual-clock.ts";

/**
 * What happens at a step, in the place of what its participant would do.
 *
 * - `refuse`: it says no, with this type; it is not tried again by itself.
 * - `fail`: it is broken, and has done nothing.
 * - `loseReply`: it does its work, and nobody hears of it.
 * - `hang`: it never answers, so that its time-out ends the try.
 * - `cancel`: the saga is cancelled while it is under way, and it goes on.
 *
 * `times`: how often, from the first try on. @default every time; `cancel` once
 */
export type Happening =
  | {
      readonly kind: "refuse";
      /** Of the refusal. @default `Refused` */
      readonly type?: string;
      /** @default `it says no` */
      readonly message?: string;
      /** @default every time */
      readonly times?: number;
    }
  | {
      readonly kind: "fail" | "loseReply" | "hang" | "cancel";
      /** @default every time; `cancel` once */
      readonly times?: number;
    };

/** What happens, by the names of steps; `undo <step>` for an undo, `undone` for what is told at the end of all undos. */
export type SagaScript = Readonly<Record<string, Happening>>;

/** What an operator decides when a person is called: as the updates of the same names. */
export interface OperatorDecision {
  /** What he does. */
  readonly verb: "retryNow" | "skipUndo" | "giveUp";
  /** Why; it is kept with the saga. */
  readonly reason: string;
}

/** How a saga is tested. */
export interface SagaTestOptions<Input, Activities> {
  /** What the saga is started with. */
  readonly input: Input;
  /**
   * What its steps call: stand-ins, or activities of yours with deps of yours. One that is left out answers nothing. A function makes them
   * anew for each run, so that books which they keep are empty.
   * @default all of them answer nothing
   */
  readonly activities?: Partial<Activities> | (() => Partial<Activities>);
  /** @default `<saga>/test` */
  readonly workflowId?: string;
  /** What the clock shows at first. @default now */
  readonly now?: Date;
  /** Asked when a person is called, with what the flag says; undefined leaves it. @default nobody is there */
  readonly operator?: (help: string) => OperatorDecision | undefined;
  /** The run is looked at after so much virtual time, also where it has not ended, milliseconds. @default a day */
  readonly limitMs?: number;
}

/** A call of an activity, in the order in which they began. */
export interface SagaCall {
  /** The step; `undone` for what is told at the end. */
  readonly step: string;
  /** Whether the step was done or undone by it. */
  readonly kind: "do" | "undo";
  /** Its name. */
  readonly activity: string;
  /** What it was given, the key first. */
  readonly args: readonly unknown[];
  /** From 1 on. */
  readonly attempt: number;
}

/** What became of a saga. */
export interface SagaRun<Result> {
  /** As the search attribute `SagaOutcome`; `running` where it waits for a person, or for longer than the limit. */
  readonly outcome: SagaOutcome;
  /** Whether the workflow ended as cancelled. */
  readonly isCancelled: boolean;
  /** What the workflow returned; undefined where it did not. */
  readonly result: Result | undefined;
  /** Why it was undone. */
  readonly refusal: SagaRefusal | undefined;
  /** Where each step is, as the query `saga` tells it. */
  readonly steps: SagaView["steps"];
  /** Every call of an activity, tries apart. */
  readonly calls: readonly SagaCall[];
  /** Steps whose do was called, in the order in which they began. */
  readonly begun: readonly string[];
  /** Steps whose undo was called, in the order in which they began. */
  readonly undone: readonly string[];
  /** Why persons were called, in order. */
  readonly help: readonly string[];
  /** Virtual time that it took, milliseconds. */
  readonly tookMs: number;
  /** Exactly these steps were undone, in this order. @throws AssertionError */
  thenUndone(...steps: readonly string[]): SagaRun<Result>;
  /** It completed with exactly this result. @throws AssertionError */
  thenCompleted(result: Result): SagaRun<Result>;
  /** It was undone because this step was refused so: by the refusal's type, `Fault` where it was broken. @throws AssertionError */
  thenRefused(step: string, type: string): SagaRun<Result>;
}

/** A trouble at one step, and what became of it. */
export interface SagaTrouble<Result> {
  /** Where. */
  readonly step: string;
  /** Which. */
  readonly kind: Happening["kind"];
  /** What came of it. */
  readonly run: SagaRun<Result>;
}

/** A saga that is tested. */
export interface SagaTest<Result> {
  /** Runs it from its beginning to its end. @throws ConfigError where the script names no step of it; what its own code throws */
  run(script?: SagaScript): Promise<SagaRun<Result>>;
  /**
   * Runs it once for each step and each trouble (refused, broken, its reply lost, cancelled), and looks at what must hold of every saga:
   * before the end of the pivot all that had begun is undone in reverse, behind it comes through once the trouble is over. `verify` looks at the
   * rest, such as the books of stand-ins.
   * @throws AssertionError with the step and the trouble; what `verify` throws
   */
  everyTrouble(verify?: (trouble: SagaTrouble<Result>) => void | Promise<void>): Promise<readonly SagaTrouble<Result>[]>;
}

/**
 * Tests a saga in memory: the workflow runs on Temporal's own runtime, its calls are tried and bounded as Temporal's server does it, on a virtual
 * clock, and participants do what a script says. Every run is replayed at its end, so what is not deterministic is found. No service is needed.
 *
 * @example
 * ```ts
 * const tickets = saga<{ seat: string }, { hold(key: string): Promise<void>; free(key: string): Promise<void>; sell(key: string): Promise<string> }>("tickets")
 *   .step("seat", { do: ({ key, call }) => call.hold(key), undo: ({ key, call }) => call.free(key) })
 *   .pivot("sale", { do: ({ key, call }) => call.sell(key), undo: ({ key, call }) => call.free(key) })
 *   .returns(({ done }) => done.sale);
 * const test = testSaga(tickets, { input: { seat: "12a" }, activities: { sell: async () => "t-1" } });
 * (await test.run()).thenCompleted("t-1");
 * (await test.run({ sale: { kind: "refuse", type: "SoldOut" } })).thenRefused("sale", "SoldOut").thenUndone("sale", "seat");
 * await test.everyTrouble();
 * ```
 */
export function testSaga<Input, Result, Activities extends object>(
  saga: Saga<Input, Result, Activities>,
  options: SagaTestOptions<Input, Activities>,
): SagaTest<Result> {
  const { saga: plan } = saga;
  const run = (script: SagaScript = {}) => {
    checkScript(plan, script);
    return runSaga<Result>({ plan, workflow: saga as never, options: options as never, script });
  };
  return {
    run,
    async everyTrouble(verify = () => {}) {
      const all: SagaTrouble<Result>[] = [];
      const quiet = await run();
      deepStrictEqual(
        quiet.outcome,
        "completed",
        `saga '${plan.name}' does not complete where nothing happens: ${quiet.outcome}`,
      );
      for (const step of plan.steps.filter(({ name }) => quiet.begun.includes(name))) {
        for (const happening of troublesAt(step)) {
          const trouble = { step: step.name, kind: happening.kind, run: await run({ [step.name]: happening }) };
          checkPromise(plan, trouble);
          await verify(trouble);
          all.push(trouble);
        }
      }
      return all;
    },
  };
}

/** Behind the pivot a trouble has to end: nothing but trying helps there, and a refusal calls for a person. */
function troublesAt({ kind }: SagaStepPlan): readonly Happening[] {
  if (kind === "forward")
    return [
      { kind: "fail", times: 3 },
      { kind: "loseReply", times: 3 },
      { kind: "cancel", times: 1 },
    ];
  return [{ kind: "refuse" }, { kind: "fail" }, { kind: "loseReply" }, { kind: "cancel", times: 1 }];
}

function checkPromise({ name, steps }: SagaPlan, { step, kind, run }: SagaTrouble<unknown>): void {
  const place = steps.findIndex((one) => one.name === step);
  const pivot = steps.findIndex((one) => one.kind === "pivot");
  const completes = place > pivot || (place === pivot && kind === "cancel");
  const reversible = new Set(steps.filter((one) => one.kind === "step" || one.kind === "pivot").map((one) => one.name));
  const left = run.begun.filter(
    (one) => reversible.has(one) && run.steps.find(({ name: other }) => other === one)?.state !== "undone",
  );
  const where = `saga '${name}', '${step}', ${kind}`;
  deepStrictEqual(
    run.outcome,
    completes ? "completed" : "undone",
    `${where}: it is ${run.outcome}${run.help.length > 0 ? `, and calls a person: ${run.help.join("; ")}` : ""}`,
  );
  deepStrictEqual(completes ? [] : left, [], `${where}: not undone are ${left.join(", ")}`);
  // An undo that has nothing to call leaves no trace of its turn.
  const inReverse = completes ? [] : run.begun.filter((one) => run.undone.includes(one)).toReversed();
  deepStrictEqual(run.undone, inReverse, `${where}: undone are ${run.undone.join(", ")}`);
}

function checkScript({ name, steps, tellsWhenUndone }: SagaPlan, script: SagaScript): void {
  const known = steps.flatMap(({ name: step, kind }) => (kind === "step" || kind === "pivot" ? [step, `undo ${step}`] : [step]));
  if (tellsWhenUndone) known.push("undone");
  const unknown = Object.keys(script).find((step) => !known.includes(step));
  if (unknown === undefined) return;
  throw new ConfigError("usage", `saga '${name}' has no step '${unknown}'`, { hint: `There are ${known.join(", ")}.` });
}

interface SagaToRun {
  readonly plan: SagaPlan;
  readonly workflow: (input: never) => Promise<unknown>;
  readonly options: SagaTestOptions<unknown, Record<string, never>>;
  readonly script: SagaScript;
}

async function runSaga<Result>({ plan, workflow, options, script }: SagaToRun): Promise<SagaRun<Result>> {
  // Temporal's runtime is loaded for those who test sagas.
  const { MemoryTemporal } = await import("./temporal/server.ts");
  const { input, workflowId = `${plan.name}/test`, now, operator, limitMs = hours(24) } = options;
  const clock = new VirtualClock(now?.getTime() ?? Date.now());
  const given = typeof options.activities === "function" ? options.activities() : (options.activities ?? {});
  const activities = new Proxy<Readonly<Record<string, () => unknown>>>(given as never, {
    get: (all, name) => Reflect.get(all, name) ?? (async () => undefined),
  });
  const calls: SagaCall[] = [];
  const happened = new Map<string, number>();
  const perform = async (tried: ActivityTry, act: () => Promise<unknown>): Promise<unknown> => {
    calls.push(callOf(tried));
    const step = tried.activityId.replace(/ \(\d+\)$/, "");
    const count = (happened.get(step) ?? 0) + 1;
    happened.set(step, count);
    const happening = script[step];
    if (!happening || count > (happening.times ?? (happening.kind === "cancel" ? 1 : Number.POSITIVE_INFINITY))) return act();
    return happen(happening, act, { clock, cancel: () => started.cancel() });
  };
  const temporal = new MemoryTemporal({ clock, workflows: { [plan.name]: workflow }, activities, perform });
  const started = temporal.start({ type: plan.name, workflowId, taskQueue: "test", args: [input] }) as WorkflowRun;
  const begunAt = clock.now();
  const help: string[] = [];
  await watch(started, { clock, limitMs, operator, calls, help });
  if (started.end?.kind === "broken") throw started.end.error;
  const odd = await started.replay();
  if (odd !== undefined) {
    throw new ConfigError("usage", `saga '${plan.name}' is not deterministic: ${odd}`, {
      hint: "A workflow decides by its input and by what its steps answer alone: what else it needs, a step has to fetch.",
    });
  }
  return described<Result>(started, { calls, help, tookMs: clock.now() - begunAt });
}

async function happen(
  happening: Happening,
  act: () => Promise<unknown>,
  { clock, cancel }: { readonly clock: VirtualClock; readonly cancel: () => void },
): Promise<unknown> {
  const { ApplicationFailure } = await import("@temporalio/common");
  switch (happening.kind) {
    case "refuse":
      throw ApplicationFailure.nonRetryable(happening.message ?? "it says no", happening.type ?? "Refused");
    case "fail":
      throw new Error("it is broken");
    case "loseReply":
      await act();
      throw new Error("its reply was lost");
    case "hang":
      return clock.whileHeld(new Promise(() => {}));
    case "cancel":
      cancel();
      return act();
    default:
      return happening satisfies never;
  }
}

interface Watching {
  readonly clock: VirtualClock;
  readonly limitMs: number;
  readonly operator: SagaTestOptions<unknown, never>["operator"];
  readonly calls: readonly SagaCall[];
  readonly help: string[];
}

/** Lets time pass until it has ended, nothing is to come, or the time is over; an operator is asked each time that a person is called. */
async function watch(run: WorkflowRun, { clock, limitMs, operator, calls, help }: Watching): Promise<void> {
  let raised: string | undefined;
  const view = () => run.query("saga") as SagaView;
  const isNews = () => {
    const { needsAttention: flag, steps } = view();
    // One that was refused again calls again, with the same words.
    const call = flag && steps.some(({ state }) => state === "refused") ? `${flag} ${calls.length}` : flag;
    if (call === raised) return false;
    raised = call;
    if (flag !== undefined) help.push(flag);
    return flag !== undefined;
  };
  const end = clock.monotonic() + limitMs;
  await clock.until(() => true);
  for (;;) {
    const how = await clock.seek(() => run.end !== undefined || isNews(), end - clock.monotonic());
    if (run.end || how !== "found") return;
    const decision = operator?.(help.at(-1) ?? "");
    if (decision) await clock.settle(run.update(decision.verb, [decision.reason]));
  }
}

function callOf({ activityId, activity, args, attempt }: ActivityTry): SagaCall {
  const name = activityId.replace(/ \(\d+\)$/, "");
  const isUndo = name.startsWith("undo ");
  return { step: isUndo ? name.slice("undo ".length) : name, kind: isUndo ? "undo" : "do", activity, args, attempt };
}

interface RunRecord {
  readonly calls: readonly SagaCall[];
  readonly help: readonly string[];
  readonly tookMs: number;
}

function described<Result>(run: WorkflowRun, told: RunRecord): SagaRun<Result> {
  const { outcome, steps } = run.query("saga") as SagaView;
  const { end } = run;
  const failure =
    end?.kind === "failed" ? (end.error as { readonly type?: string; readonly details?: readonly unknown[] }) : undefined;
  const stepsOf = (kind: SagaCall["kind"]) => [
    ...new Set(
      told.calls.filter((call) => call.kind === kind && steps.some(({ name }) => name === call.step)).map(({ step }) => step),
    ),
  ];
  const refused = failure?.type === "SagaUndone" ? (failure.details?.[0] as SagaRefusal | undefined) : undefined;
  const self: SagaRun<Result> = {
    outcome,
    isCancelled: end?.kind === "cancelled",
    result: end?.kind === "completed" ? (end.result as Result) : undefined,
    refusal: refused,
    steps,
    ...told,
    begun: stepsOf("do"),
    undone: stepsOf("undo"),
    thenUndone: (...expected) => check(stepsOf("undo"), expected),
    thenCompleted: (result) => check({ outcome, result: self.result }, { outcome: "completed", result }),
    thenRefused: (step, type) => check(refused && { step: refused.step, type: refused.type }, { step, type }),
  };
  return self;

  function check(actual: unknown, expected: unknown): SagaRun<Result> {
    deepStrictEqual(actual, expected);
    return self;
  }
}
