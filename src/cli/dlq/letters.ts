import { originField } from "../../bus/origin.ts";
import { type Partition, partitionsOf } from "../../bus/partition.ts";
import type { DeadLetter, LogOperations } from "../../bus/port.ts";
import { ConfigError } from "../../core/errors.ts";
import type { AppPlan } from "../../plan/plan.ts";
import { loadApp } from "../load-app.ts";
import { createLogger } from "../logger.ts";
import { openBus, type ServiceLocation } from "../services.ts";
import { parseWhen } from "../when.ts";

export interface DlqFilter {
  readonly pipeline?: string | undefined;
  readonly stage?: string | undefined;
  readonly reason?: string | undefined;
  /** An ISO time, or how long ago: `2h`. */
  readonly since?: string | undefined;
}

export type DlqOptions = ServiceLocation & DlqFilter & { readonly json: boolean };

/** A dead letter, and the partition beside which it is kept. */
export interface FoundLetter {
  readonly partition: Partition;
  readonly letter: DeadLetter;
}

/** What a verb gets to work with. */
export interface DeadLetterContext {
  readonly app: AppPlan;
  readonly bus: LogOperations;
  /** What the filter finds, oldest first within a partition; read anew each time. */
  readonly found: AsyncIterable<FoundLetter>;
}

/** Opens the dead letters that the options ask for. Refuses a pipeline that the application does not have. */
export async function withDeadLetters(
  options: DlqOptions,
  work: (context: DeadLetterContext) => Promise<number>,
): Promise<number> {
  const app = await loadApp(options.cwd);
  if (options.pipeline !== undefined && !app.pipelines.some(({ name }) => name === options.pipeline)) {
    throw new ConfigError("usage", `there is no pipeline '${options.pipeline}'`, {
      hint: `There are ${app.pipelines.map(({ name }) => name).join(", ")}.`,
    });
  }
  const since = options.since === undefined ? undefined : new Date(parseWhen("--since", options.since)).toISOString();
  const bus = await openBus(options, createLogger());
  try {
    return await work({ app, bus, found: { [Symbol.asyncIterator]: () => find(app, bus, { ...options, since }) } });
  } finally {
    await bus.close();
  }
}

/** Whether `id` means this letter: its own id, alone or behind its partition (`logins/07:1795600000000-0`), or its event's. */
export const isCalled = (id: string, { partition, letter }: FoundLetter): boolean =>
  id === letter.id || id === letter.eventId || id === `${partition.name}:${letter.id}`;

export const noSuchLetter = (id: string): ConfigError =>
  new ConfigError("usage", `there is no dead letter '${id}'`, { hint: "'headrace dlq ls' lists their ids." });

/** The dead letters that are called `id`. Ids of different partitions may be the same: then the partition has to be said. */
export async function lettersCalled(id: string, found: AsyncIterable<FoundLetter>): Promise<readonly FoundLetter[]> {
  const all: FoundLetter[] = [];
  for await (const one of found) if (isCalled(id, one)) all.push(one);
  if (all.length === 0) throw noSuchLetter(id);
  const partitions = new Set(all.filter(({ letter }) => letter.id === id).map(({ partition }) => partition.name));
  if (partitions.size > 1) {
    throw new ConfigError("usage", `there are ${partitions.size} dead letters '${id}'`, {
      hint: `Name one with its partition: ${[...partitions].map((name) => `${name}:${id}`).join(", ")}.`,
    });
  }
  return all;
}

/** A dead letter without its bytes. One that was replayed before has the position at which it was read first. */
export const summary = (letter: DeadLetter) => {
  const { id, pipeline, stage, reason, error, partition, entry, index, type, eventId, at, fields } = letter;
  const origin = fields.find(([name]) => name === originField)?.[1];
  const [, first = entry, place = index] = origin ? String(origin).split("\n") : [];
  return { id, pipeline, stage, reason, error, partition, position: `${first}/${place}`, type, event: eventId, at };
};

/** When the entry of a dead letter was stored, milliseconds since the epoch. */
export const storedAt = (letter: DeadLetter): number => Number(summary(letter).position.split("-")[0]);

async function* find(app: AppPlan, bus: LogOperations, filter: DlqFilter): AsyncGenerator<FoundLetter> {
  const fits = (wanted: string | undefined, value: string) => wanted === undefined || wanted === value;
  for (const partition of app.streams.flatMap(partitionsOf)) {
    for await (const letter of bus.deadLetters(partition)) {
      if (!fits(filter.pipeline, letter.pipeline) || !fits(filter.stage, letter.stage) || !fits(filter.reason, letter.reason))
        continue;
      if (filter.since === undefined || letter.at >= filter.since) yield { partition, letter };
    }
  }
}

/** How many dead letters of each pipeline had no room. */
export async function notKept(
  { app, bus }: DeadLetterContext,
  only?: string,
): Promise<readonly { readonly pipeline: string; readonly count: number }[]> {
  const pipelines = app.pipelines.filter(({ name }) => only === undefined || name === only);
  const all = await Promise.all(
    pipelines.map(async ({ name: pipeline, sources }) => {
      const states = await Promise.all(sources.flatMap(partitionsOf).map((partition) => bus.state(partition, pipeline)));
      return { pipeline, count: states.reduce((sum, { counts }) => sum + (counts["notKept"] ?? 0), 0) };
    }),
  );
  return all.filter(({ count }) => count > 0);
}
