import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type Durability, toDurability } from "../bus/durability.ts";
import { Producer } from "../bus/producer.ts";
import { systemClock } from "../core/clock.ts";
import { parseDuration } from "../core/duration.ts";
import { ConfigError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import { eventId, uuidOf } from "../core/hash.ts";
import type { AppPlan, FormatPlan, StreamPlan } from "../plan/plan.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { exitCodes, harmless, printJson, printLine, say } from "./output.ts";
import { jsonLines } from "./send/json-lines.ts";
import { openLines } from "./send/lines.ts";
import { openBus, type Whereabouts } from "./services.ts";

export interface SendOptions extends Whereabouts {
  readonly file: string;
  readonly from: string;
  /** Events a second at most. */
  readonly rate?: string | undefined;
  /** The year of the first line, for stamps without one. */
  readonly year?: string | undefined;
  readonly giveUpAfter?: string | undefined;
  readonly durability: Durability["kind"];
  readonly json: boolean;
}

/** Ids remembered to tell duplicates. One that is forgotten costs nothing: its second copy is the same row. */
const maxRemembered = 1_000_000;

/** `headrace send`: lines to events to a stream. */
export async function sendVerb(name: string, options: SendOptions): Promise<number> {
  const app = await loadApp(options.cwd);
  const stream = findStream(app, name);
  const format = findFormat(app, options.from);
  const rate = options.rate === undefined ? undefined : wholeNumber("--rate", options.rate);
  const year = options.year === undefined ? undefined : fullYear(options.year);
  const giveUpAfterMs = options.giveUpAfter === undefined ? undefined : parseDuration(options.giveUpAfter);
  const stop = new AbortController();
  const source = openLines(options.file, { cwd: options.cwd, signal: stop.signal });
  const logger = createLogger();
  const durability = toDurability(options.durability);
  const bus = await openBus(options, logger);
  try {
    await bus.checkDurability(durability);
  } catch (error) {
    await bus.close();
    throw error;
  }
  const producer = new Producer(
    {
      stream,
      producer: `send/${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`,
      durability,
      ...(giveUpAfterMs !== undefined && { giveUpAfterMs }),
    },
    { bus, clock: systemClock, logger },
  );
  process.once("SIGINT", () => {
    say("Stopping: what was read is still sent. Ctrl-C again ends at once.");
    stop.abort();
  });

  const counts = { sent: 0, duplicates: 0, invalid: 0 };
  const read = format.reader({ now: source.time, idOf: uuidOf, ...(year !== undefined && { year }) });
  const seen = new Set<string>();
  const began = systemClock.monotonic();
  let number = 0;
  const refuse = (reason: string) => {
    counts.invalid++;
    say(`line ${number}: ${harmless(reason)}`);
  };
  try {
    for await (const line of source.lines) {
      if (stop.signal.aborted) break;
      number++;
      const result = read(line);
      if (result.kind === "invalid") refuse(result.reason);
      if (result.kind !== "events") continue;
      for (const { id: given, source: by, traceparent, type, time, data } of result.events) {
        const id = eventId(given, by);
        if (seen.has(id)) {
          counts.duplicates++;
          continue;
        }
        try {
          await producer.send({
            id,
            type,
            time: time.getTime(),
            source: by ?? (options.from === "json" ? undefined : options.from),
            traceparent,
            data,
          });
          counts.sent++;
          remember(seen, id);
        } catch (error) {
          if (!(error instanceof TerminalError) || error.code !== "event.invalid") throw error;
          refuse(messageOf(error));
        }
        if (rate !== undefined)
          await systemClock.sleep(began + (counts.sent * 1_000) / rate - systemClock.monotonic(), stop.signal);
      }
    }
    await producer.flush();
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    throw new RetryableError(
      error.code,
      `Redis stayed away for longer than ${options.giveUpAfter}, at line ${number}: ${messageOf(error)}`,
      {
        cause: error,
        hint: "Send the same lines again when it is back: those that have arrived change nothing.",
      },
    );
  } finally {
    await bus.close();
  }
  if (options.json) printJson(counts);
  else printLine(`sent ${counts.sent}, duplicates ${counts.duplicates}, invalid ${counts.invalid}`);
  return stop.signal.aborted ? exitCodes.interrupted : counts.invalid > 0 ? exitCodes.findings : exitCodes.fine;
}

function remember(seen: Set<string>, id: string): void {
  seen.add(id);
  if (seen.size <= maxRemembered) return;
  for (const oldest of seen) {
    seen.delete(oldest);
    return;
  }
}

function findStream(app: AppPlan, name: string): StreamPlan {
  const stream = app.streams.find((one) => one.name === name);
  if (!stream)
    throw new ConfigError("usage", `there is no stream '${name}'`, {
      hint: `There are ${app.streams.map((one) => one.name).join(", ")}.`,
    });
  if (stream.layout.kind === "adopted") {
    throw new ConfigError("usage", `the stream '${name}' is adopted: another program writes it`, {
      hint: `Write to it with XADD ${stream.layout.redisKey} * data '{…}', or send to a stream of your own.`,
    });
  }
  return stream;
}

function findFormat(app: AppPlan, name: string): FormatPlan {
  const formats = [jsonLines, ...app.formats];
  const format = formats.find((one) => one.name === name);
  if (!format)
    throw new ConfigError("usage", `there is no format '${name}'`, {
      hint: `--from takes ${formats.map((one) => one.name).join(", ")}.`,
    });
  return format;
}

function fullYear(text: string): number {
  if (!/^[1-9]\d{3}$/.test(text))
    throw new ConfigError("usage", `--year '${text}' is not a year`, { hint: "Write it with four digits." });
  return Number(text);
}
