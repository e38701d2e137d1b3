import { type Partition, partitionsOf } from "../bus/partition.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import { statefulReader } from "../plan/keyed-state.ts";
import type { AppPlan, PipelinePlan } from "../plan/plan.ts";
import { onInterrupt } from "./interrupt.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine, printTable } from "./output.ts";
import { Feeder } from "./replay/feeder.ts";
import { tellForgotten } from "./replay/forgotten.ts";
import { type FeedOptions, parseFeedOptions, waitingSentence } from "./replay/options.ts";
import { type Position, parsePosition } from "./replay/position.ts";
import { oldestOf, type Part, rereadPartition } from "./replay/reread.ts";
import { openBus, type ServiceLocation } from "./services.ts";

/** Events a second where `--rate` says nothing: the pipeline has new events to read beside them. */
const defaultRate = 20_000;

export interface ReplayOptions extends ServiceLocation, FeedOptions {
  readonly pipeline: string;
  readonly from: string;
  readonly json: boolean;
}

/** `headrace replay`: one pipeline reads again what it was given of its streams since a time or a position. */
export async function replayVerb(options: ReplayOptions): Promise<number> {
  const { apply, json } = options;
  const position = parsePosition(options.from);
  const limits = parseFeedOptions(options, defaultRate);
  const app = await loadApp(options.cwd);
  const pipeline = findPipeline(app, options.pipeline);
  const partitions = partitionsAt(pipeline, position);
  if (!options.stateAgain) refuseState(app, pipeline);
  const bus = await openBus(options, createLogger());
  const signal = onInterrupt("Stopping: what was copied so far is read again.");
  const feeder = new Feeder({ bus, clock: systemClock }, { ...limits, signal });
  const from = position.kind === "time" ? `${Math.max(0, Math.floor(position.atMs))}-0` : position.entry;
  const parts: Part[] = [];
  let knownFrom: string | undefined;
  const tell = (waiting: number) => {
    const lines = parts.map((part) => ({ action: apply ? "reread" : "would-reread", pipeline: pipeline.name, ...part }));
    const [entries, events] = [sum(parts, "entries"), sum(parts, "events")];
    if (json)
      [...lines, { partitions: parts.length, entries, events, waiting, applied: apply, ...(knownFrom && { knownFrom }) }].forEach(
        printJson,
      );
    else {
      printTable(lines.map(({ action, pipeline: _, ...line }) => line));
      const what = `${events} events in ${entries} entries`;
      printLine(
        apply
          ? `${what} are read again by '${pipeline.name}'.${waitingSentence(waiting)}`
          : `${what} would be read again by '${pipeline.name}'. Nothing was changed: add --apply.`,
      );
    }
  };
  try {
    const oldestMs = await oldestOf(bus, partitions, { pipeline: pipeline.name, from });
    knownFrom = await tellForgotten(options, { app, pipeline, oldestMs });
    for (const partition of partitions) {
      if (signal.aborted) break;
      const part: Part = { partition: partition.name, from, until: null, entries: 0, events: 0 };
      parts.push(part);
      await rereadPartition(
        bus,
        { partition, part },
        { pipeline: pipeline.name, rate: limits.rate, dryRun: !apply, feeder, signal },
      );
    }
    tell(apply ? await feeder.settled() : 0);
    return signal.aborted ? exitCodes.interrupted : exitCodes.fine;
  } catch (error) {
    // What was copied so far is read again, and has to be known.
    if (sum(parts, "entries") > 0) tell(0);
    throw error;
  } finally {
    await bus.close();
  }
}

function findPipeline(app: AppPlan, name: string): PipelinePlan {
  const pipeline = app.pipelines.find((one) => one.name === name);
  if (pipeline) return pipeline;
  throw new ConfigError("usage", `there is no pipeline '${name}'`, {
    hint: `There are ${app.pipelines.map((one) => one.name).join(", ")}.`,
  });
}

function partitionsAt(pipeline: PipelinePlan, position: Position): readonly Partition[] {
  const all = pipeline.sources.flatMap(partitionsOf);
  if (position.kind === "time" || position.partition === undefined) return all;
  const named = all.filter(({ name }) => name === position.partition);
  if (named.length > 0) return named;
  throw new ConfigError("usage", `'${pipeline.name}' reads no partition '${position.partition}'`, {
    hint: `It reads ${all.map(({ name }) => name).join(", ")}.`,
  });
}

/** Tables and sagas know events by their ids; a state does not: it would count the same event once more. */
function refuseState(app: AppPlan, pipeline: PipelinePlan): void {
  const stateful = statefulReader(app, pipeline);
  if (!stateful) return;
  const whose = stateful === pipeline ? "" : `, which reads what '${pipeline.name}' derives,`;
  throw new ConfigError(
    "replay.state",
    `'${stateful.name}'${whose} keeps state, which would take the same events a second time`,
    {
      hint: "Add --state-again if the state stands that, such as one that only remembers the newest.",
    },
  );
}

const sum = (parts: readonly Part[], of: "entries" | "events"): number => parts.reduce((all, part) => all + part[of], 0);
