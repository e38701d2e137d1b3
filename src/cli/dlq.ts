import { partitionsOf } from "../bus/partition.ts";
import type { Bus, DeadLetter } from "../bus/port.ts";
import { parseDuration } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { AppPlan } from "../plan/plan.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine, printTable } from "./output.ts";
import { openBus, type Whereabouts } from "./services.ts";

export interface DlqFilter {
  readonly pipeline?: string | undefined;
  readonly stage?: string | undefined;
  readonly reason?: string | undefined;
  /** An ISO time, or how long ago: `2h`. */
  readonly since?: string | undefined;
}

type Options = Whereabouts & DlqFilter & { readonly json: boolean };

/** `headrace dlq ls`: a line a dead letter, oldest first within a partition. */
export const dlqLs = (options: Options): Promise<number> =>
  withLetters(options, async (letters) => {
    const lines: Record<string, unknown>[] = [];
    for await (const letter of letters) {
      const line = summary(letter);
      if (options.json) printJson(line);
      else lines.push({ ...line, error: line.error.slice(0, 80) });
    }
    printTable(lines);
    return exitCodes.fine;
  });

/** `headrace dlq show <id>`: everything that is kept of one, its original bytes included. Without an id, of all that the filter finds. */
export const dlqShow = (options: Options, id: string | undefined): Promise<number> =>
  withLetters(options, async (letters) => {
    let found = 0;
    for await (const letter of letters) {
      if (id !== undefined && letter.id !== id && letter.eventId !== id) continue;
      found++;
      const whole = {
        ...summary(letter),
        original: letter.original ?? null,
        fields: letter.fields.map(([name, value]) => describeField(name, value)),
      };
      if (options.json) printJson(whole);
      else printLine(JSON.stringify(whole, null, 2));
    }
    if (found === 0 && id !== undefined) {
      throw new ConfigError("usage", `there is no dead letter '${id}'`, { hint: "'headrace dlq ls' lists their ids." });
    }
    return exitCodes.fine;
  });

/** `headrace dlq stats`: how many by pipeline, stage and reason. */
export const dlqStats = (options: Options): Promise<number> =>
  withLetters(options, async (letters) => {
    const stats = new Map<
      string,
      { pipeline: string; stage: string; reason: string; count: number; first: string; last: string }
    >();
    for await (const { pipeline, stage, reason, at } of letters) {
      const key = JSON.stringify([pipeline, stage, reason]);
      const known = stats.get(key) ?? { pipeline, stage, reason, count: 0, first: at, last: at };
      const [first = at, , last = at] = [known.first, known.last, at].sort();
      stats.set(key, { ...known, count: known.count + 1, first, last });
    }
    const lines = [...stats.values()].sort((a, b) => b.count - a.count);
    if (options.json) lines.forEach(printJson);
    else printTable(lines);
    return exitCodes.fine;
  });

async function withLetters(options: Options, work: (letters: AsyncIterable<DeadLetter>) => Promise<number>): Promise<number> {
  const app = await loadApp(options.cwd);
  if (options.pipeline !== undefined && !app.pipelines.some(({ name }) => name === options.pipeline)) {
    throw new ConfigError("usage", `there is no pipeline '${options.pipeline}'`, {
      hint: `There are ${app.pipelines.map(({ name }) => name).join(", ")}.`,
    });
  }
  const since = parseSince(options.since);
  const bus = await openBus(options, createLogger());
  try {
    return await work(find(app, bus, { ...options, since }));
  } finally {
    await bus.close();
  }
}

async function* find(app: AppPlan, bus: Bus, filter: DlqFilter): AsyncIterable<DeadLetter> {
  const fits = (wanted: string | undefined, value: string) => wanted === undefined || wanted === value;
  for (const partition of app.streams.flatMap(partitionsOf)) {
    for await (const letter of bus.deadLetters(partition)) {
      if (!fits(filter.pipeline, letter.pipeline) || !fits(filter.stage, letter.stage) || !fits(filter.reason, letter.reason))
        continue;
      if (filter.since === undefined || letter.at >= filter.since) yield letter;
    }
  }
}

function parseSince(since: string | undefined): string | undefined {
  if (since === undefined) return undefined;
  if (/^\d{4}-/.test(since)) {
    const at = Date.parse(since);
    if (Number.isNaN(at))
      throw new ConfigError("usage", `--since '${since}' is not a time`, {
        hint: "Write it like 2026-11-24T10:00:00Z, or like 2h.",
      });
    return new Date(at).toISOString();
  }
  return new Date(Date.now() - parseAge(since)).toISOString();
}

function parseAge(since: string): number {
  try {
    return parseDuration(since);
  } catch (error) {
    throw new ConfigError("usage", `--since '${since}' is neither a time nor a duration`, {
      cause: error,
      hint: "Write it like 2026-11-24T10:00:00Z, or like 2h.",
    });
  }
}

const summary = ({ id, pipeline, stage, reason, error, partition, entry, index, type, eventId, at }: DeadLetter) => ({
  id,
  pipeline,
  stage,
  reason,
  error,
  partition,
  position: `${entry}/${index}`,
  type,
  event: eventId,
  at,
});

/** Text as text; anything else as base64, so that no byte is lost. */
function describeField(name: string, value: Buffer) {
  const text = value.toString("utf8");
  return Buffer.from(text, "utf8").equals(value) ? { name, text } : { name, base64: value.toString("base64") };
}
