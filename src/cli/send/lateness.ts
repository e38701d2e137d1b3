import { EntryFields } from "../../bus/fields.ts";
import { partitionsOf } from "../../bus/partition.ts";
import type { LogOperations } from "../../bus/port.ts";
import { systemClock } from "../../core/clock.ts";
import { hours } from "../../core/duration.ts";
import { type AppPlan, type PipelinePlan, type StreamPlan, sinksOf } from "../../plan/plan.ts";
import type { WindowPlan } from "../../plan/stage.ts";
import type { WindowShape } from "../../plan/window.ts";
import { roughly } from "../doctor/finding.ts";
import { say } from "../output.ts";
import { firstTime } from "./inputs.ts";
import { type LineReceiver, type ReadAllOptions, readAll } from "./read-all.ts";
import { SendReport } from "./report.ts";

/** A window stage that the events of a stream come to, and how old they may be behind the newest one. */
export interface AllowedLateness {
  readonly pipeline: string;
  readonly stage: string;
  /** An event that is older than the newest by more than this finds its window closed, milliseconds. */
  readonly ms: number;
}

/** The window stages that events of the stream come to, straight or by way of derived streams, the least patient first. */
export function allowedLateness(app: AppPlan, stream: StreamPlan): readonly AllowedLateness[] {
  const found: AllowedLateness[] = [];
  const reached = new Set([stream.name]);
  for (const name of reached) {
    for (const pipeline of app.pipelines.filter(({ sources }) => sources.some((source) => source.name === name))) {
      found.push(...windowsOf(pipeline));
      // A set that grows while it is gone through is gone through to its end.
      for (const sink of Object.values(sinksOf(pipeline))) if (sink.kind === "stream") reached.add(sink.stream.name);
    }
  }
  return found.sort((one, other) => one.ms - other.ms);
}

const windowsOf = ({ name, stages }: PipelinePlan): readonly AllowedLateness[] =>
  stages
    .filter((stage): stage is WindowPlan => stage.kind === "window")
    .map(({ name: stage, shape, allowedLatenessMs }) => ({
      pipeline: name,
      stage,
      ms: allowedLatenessMs + openFor(shape),
    }));

/** How long after a value its last window may still be open, milliseconds. */
function openFor(shape: WindowShape): number {
  switch (shape.kind) {
    case "aligned":
      return shape.sizeMs;
    case "day":
      // Clocks are put back by an hour at most.
      return hours(25);
    case "session":
      return shape.gapMs;
    default:
      return shape satisfies never;
  }
}

/**
 * How far the event time of a stream has come, in milliseconds since the epoch: the newest time in the last frames of its partitions;
 * when nothing more comes, it goes on by the clock. `undefined` while there is nothing in it.
 */
export async function eventTimeOf(bus: LogOperations, stream: StreamPlan, now: number): Promise<number | undefined> {
  const times = await Promise.all(
    partitionsOf(stream).map(async (partition) => {
      const [last] = await bus.newest(partition, { before: undefined, count: 1 });
      if (last === undefined) return undefined;
      const storedAt = Number(last.id.split("-")[0]);
      // A plain entry tells its time inside; it is no older than it was stored, and nearly as new.
      const newest = Number(new EntryFields(last.fields).get("t1") ?? storedAt);
      return Math.min(newest, storedAt) + Math.max(0, now - storedAt);
    }),
  );
  const known = times.filter((time) => time !== undefined).filter(Number.isFinite);
  return known.length === 0 ? undefined : Math.max(...known);
}

export interface Destination {
  readonly app: AppPlan;
  readonly stream: StreamPlan;
  readonly bus: LogOperations;
}

/**
 * Says, before anything is sent, how many events will find the windows that they belong in closed: what is older than the stream waits
 * for. Standard input cannot be looked at beforehand.
 */
export async function tellLateness({ app, stream, bus }: Destination, reading: Omit<ReadAllOptions, "signal">): Promise<void> {
  const { format, sources, contextOf } = reading;
  const [first] = sources;
  const allowed = allowedLateness(app, stream);
  const [least] = allowed;
  if (first === undefined || least === undefined || !sources.every(({ isFile }) => isFile)) return;
  const reached = await eventTimeOf(bus, stream, systemClock.now());
  if (reached === undefined) return;
  const begins = await firstTime(format, first, contextOf(first));
  if (begins === undefined || begins >= reached - least.ms) return;
  const late = new Map(allowed.map((one) => [one, 0]));
  let events = 0;
  const look: LineReceiver = {
    report: new SendReport(format.name, () => {}),
    send: async ({ time }) => {
      events++;
      for (const one of allowed) if (time.getTime() < reached - one.ms) late.set(one, (late.get(one) ?? 0) + 1);
    },
  };
  await readAll({ ...reading, signal: new AbortController().signal }, look);
  for (const [{ pipeline, stage, ms }, count] of late) {
    if (count === 0) continue;
    say(
      `${count} of ${events} events come too late for '${stage}' of '${pipeline}': it waits for ${roughly(ms)}, and '${stream.name}' has come to ${new Date(reached).toISOString()}.`,
    );
  }
  say(
    "Tables take them all; what was sent before changes nothing. So that windows take them too, send the oldest first, or all files in one run.",
  );
}
