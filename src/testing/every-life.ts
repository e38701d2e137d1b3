import type fc from "fast-check";
import { days, hours, seconds } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import { nth } from "../core/nth.ts";
import type { Pipeline } from "../dsl/pipeline.ts";
import type { Stream } from "../dsl/stream.ts";
import type { Death } from "./crashing-bus.ts";
import type { TestEvent } from "./test-log.ts";
import { type PipelineRun, testPipeline } from "./test-pipeline.ts";

/** An event of a log: it has an id and a time, since it is sent more than once and out of order. */
export type LogEvent = TestEvent & {
  /** Its name: sent again under it, it is the same event. */
  readonly id: string;
  /** When it happened. */
  readonly time: Date;
};

/** How a log reached a pipeline, and what came of it. */
export interface Life {
  /** The log, in the order of its times. */
  readonly log: readonly LogEvent[];
  /** What was sent, in its order and portions: shuffled, with repeats. */
  readonly sent: readonly (readonly LogEvent[])[];
  /** What the pipeline made of it. */
  readonly run: PipelineRun;
}

/** Which lives a pipeline is taken through. */
export interface EveryLifeOptions {
  /** Logs to try: an arbitrary of fast-check. Their times lie within a day, and in the past. */
  readonly logs: fc.Arbitrary<readonly LogEvent[]>;
  /** By how much events come out of order at most, in event time, milliseconds. @default 0 */
  readonly shuffledMs?: number;
  /** Whether events are sent again, under their ids. @default true */
  readonly repeats?: boolean;
  /** Whether the worker dies, at any call of the bus, and is replaced. @default true */
  readonly deaths?: boolean;
  /** The stream to send to. @default the one that the pipeline reads; where it reads several it must be given */
  readonly to?: Stream<unknown>;
  /** Lives to try. @default 100 */
  readonly runs?: number;
  /** What a failure printed, to try the same lives again. @default a new one each time */
  readonly seed?: number;
}

/** Between portions so much time passes: event time moves on by it in a stream where nothing comes. */
const restMs = 2;

/** Calls of the bus at which a worker may die. */
const calls = ["acquire", "renew", "read", "states", "timers", "seen", "commit", "outbox", "append", "relayed"] as const;

interface SendStep {
  readonly lateMs: number;
  /** Sent again so many portions later. */
  readonly again: number | undefined;
  /** A portion ends behind it. */
  readonly cut: boolean;
}

/**
 * Takes a pipeline through many lives of many logs, and looks at what came of each: the log is shuffled, cut into portions, partly sent
 * twice, and the worker dies at any moment. What fails is made smaller until nothing can be left out, and thrown with its log, its
 * portions and its deaths. Give the pipeline's source `{ idleMs: 1 }`, or no window closes before the end.
 *
 * @throws Error with the smallest life found that `verify` throws for; ConfigError when fast-check is not installed
 * @example
 * ```ts
 * declare const logs: import("headrace/testing").EveryLifeOptions["logs"];
 * await everyLife(loginAnalytics, { logs, shuffledMs: 30_000 }, ({ log, run }) => {
 *   if (run.audit.delivered !== log.length) throw new Error("not every event became a row");
 * });
 * ```
 */
export async function everyLife(
  pipeline: Pipeline,
  options: EveryLifeOptions,
  verify: (life: Life) => void | Promise<void>,
): Promise<void> {
  const check = await loadFastCheck();
  const { shuffledMs = 0, repeats = true, deaths = true, runs = 100, seed, logs, to } = options;
  const step: fc.Arbitrary<SendStep> = check.record({
    lateMs: check.oneof({ weight: 3, arbitrary: check.constant(0) }, check.integer({ min: 0, max: shuffledMs })),
    again: repeats
      ? check.oneof({ weight: 4, arbitrary: check.constant(undefined) }, check.integer({ min: 0, max: 3 }))
      : check.constant(undefined),
    cut: check.boolean(),
  });
  const death: fc.Arbitrary<Death> = check.record({
    call: check.constantFrom(...calls),
    when: check.constantFrom("before", "after"),
    nth: check.integer({ min: 1, max: 6 }),
  });
  const lives = logs.chain((log) =>
    check.record({
      log: check.constant(log.toSorted((a, b) => a.time.getTime() - b.time.getTime())),
      steps: check.array(step, { minLength: log.length, maxLength: log.length }),
      deaths: check.array(check.tuple(check.nat(log.length), death), { maxLength: deaths ? 4 : 0 }),
    }),
  );
  const property = check.asyncProperty(lives, async ({ log, steps, deaths: dying }) => {
    const sent = portionsOf(log, steps);
    await verify({ log, sent, run: await live(pipeline, { sent, deaths: new Map(dying), to }) });
  });
  await check.assert(property, { numRuns: runs, ...(seed !== undefined && { seed }) });
}

function portionsOf(log: readonly LogEvent[], steps: readonly SendStep[]): readonly (readonly LogEvent[])[] {
  const arriving = log
    .map((event, i) => ({ event, step: nth(steps, i) }))
    .toSorted((a, b) => a.event.time.getTime() + a.step.lateMs - b.event.time.getTime() - b.step.lateMs);
  const portions: LogEvent[][] = [[]];
  const repeats: { readonly event: LogEvent; readonly portion: number }[] = [];
  for (const { event, step } of arriving) {
    portions.at(-1)?.push(event);
    if (step.again !== undefined) repeats.push({ event, portion: portions.length - 1 + step.again });
    if (step.cut) portions.push([]);
  }
  for (const { event, portion } of repeats) portions[Math.min(portion, portions.length - 1)]?.push(event);
  return portions.filter(({ length }) => length > 0);
}

async function live(
  pipeline: Pipeline,
  {
    sent,
    deaths,
    to,
  }: {
    readonly sent: readonly (readonly LogEvent[])[];
    readonly deaths: ReadonlyMap<number, Death>;
    readonly to: Stream<unknown> | undefined;
  },
): Promise<PipelineRun> {
  const newest = Math.max(...sent.flat().map(({ time }) => time.getTime()), 0);
  const test = testPipeline(pipeline, { now: new Date(newest + hours(1)) });
  for (const [i, portion] of sent.entries()) {
    await test.send(portion, to);
    const at = deaths.get(i);
    if (at) test.crash(at);
    await test.advance(restMs);
  }
  // Whatever has a lateness of less closes now.
  return await test.advance(days(3) + seconds(1));
}

async function loadFastCheck(): Promise<typeof fc> {
  try {
    return (await import("fast-check")).default;
  } catch (cause) {
    throw new ConfigError("usage", "everyLife needs the package fast-check", {
      cause,
      hint: "Run: npm install --save-dev fast-check",
    });
  }
}
