import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type Durability, toDurability } from "../bus/durability.ts";
import { Producer } from "../bus/producer.ts";
import { systemClock } from "../core/clock.ts";
import { parseDuration } from "../core/duration.ts";
import { ConfigError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import { uuidOf } from "../core/hash.ts";
import type { AppPlan, FormatPlan, LineEvent, LineReader, LineResult, StreamPlan } from "../plan/plan.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { exitCodes, say } from "./output.ts";
import { jsonLines } from "./send/json-lines.ts";
import { openLines } from "./send/lines.ts";
import { RecentEvents } from "./send/recent-events.ts";
import { type Place, Tally } from "./send/tally.ts";
import { draftEnvelopes } from "./send/to-envelope.ts";
import { openBus, type Whereabouts } from "./services.ts";

export interface SendOptions extends Whereabouts {
  readonly file: string;
  readonly from: string;
  /** Events a second at most. */
  readonly rate?: string | undefined;
  /** The year of the first line, for stamps without one. */
  readonly year?: string | undefined;
  /** The zone of stamps that tell none. */
  readonly tz?: string | undefined;
  readonly giveUpAfter?: string | undefined;
  readonly durability: Durability["kind"];
  readonly json: boolean;
}

/** `headrace send`: lines to events to a stream. */
export async function sendVerb(name: string, options: SendOptions): Promise<number> {
  const app = await loadApp(options.cwd);
  const stream = findStream(app, name);
  const format = findFormat(app, options.from);
  const rate = options.rate === undefined ? undefined : wholeNumber("--rate", options.rate);
  const year = options.year === undefined ? undefined : fullYear(options.year);
  if (options.tz !== undefined) checkZone(options.tz);
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

  const tally = new Tally(options.from);
  const read = format.reader({
    now: source.time,
    idOf: uuidOf,
    ...(year !== undefined && { year }),
    ...(options.tz !== undefined && { zone: options.tz }),
  });
  const draft = draftEnvelopes(stream);
  const recent = new RecentEvents();
  const began = systemClock.monotonic();
  const place = { line: 0 };
  /** Why events were not stored that were sent: what comes behind them waits for a person, and is not sent. */
  let failed: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failed ??= { error };
  };
  const sendAll = async (events: readonly LineEvent[], place: Place): Promise<void> => {
    for (const event of events) {
      const drafted = draft(event, options.from === "json" ? undefined : options.from, systemClock.now());
      if (drafted.kind === "refused") {
        tally.refuse(place, drafted.reason);
        continue;
      }
      try {
        if (recent.isNew(drafted.envelope)) {
          const { stored } = await producer.send(drafted.envelope);
          stored.catch(fail);
          tally.sent++;
        } else {
          tally.duplicates++;
        }
      } catch (error) {
        if (!isOfTheEvent(error)) throw error;
        tally.refuse(place, messageOf(error));
      }
      if (rate !== undefined) await systemClock.sleep(began + (tally.sent * 1_000) / rate - systemClock.monotonic(), stop.signal);
    }
  };
  try {
    for await (const line of source.lines) {
      if (stop.signal.aborted) break;
      if (failed) throw failed.error;
      place.line++;
      const result = readLine(read, line);
      if (result.settled !== undefined) await sendAll(result.settled, { ...place });
      if (result.kind === "events") await sendAll(result.events, { ...place });
      if (result.kind === "unknown") tally.puzzle({ ...place }, result.what);
      if (result.kind === "invalid") tally.refuse(place, result.reason);
      if (result.kind === "foreign") {
        if (place.line === 1) throw new ConfigError("usage", `${options.file}: ${result.reason}`, { hint: result.hint });
        tally.refuse(place, result.reason);
      }
    }
    const { settled = [], notes = [] } = read.end?.() ?? {};
    await sendAll(settled, { ...place });
    await producer.flush();
    for (const note of notes) say(note);
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    throw new RetryableError(
      error.code,
      `Redis stayed away for longer than ${options.giveUpAfter}, at line ${place.line}: ${messageOf(error)}`,
      {
        cause: error,
        hint: "Send the same lines again when it is back: those that have arrived change nothing.",
      },
    );
  } finally {
    await bus.close();
  }
  tally.print(options.json);
  return stop.signal.aborted ? exitCodes.interrupted : tally.invalid > 0 ? exitCodes.findings : exitCodes.fine;
}

/** TypeError: its data hold what JSON cannot say. */
const isOfTheEvent = (error: unknown): boolean =>
  error instanceof TypeError || (error instanceof TerminalError && error.code === "event.invalid");

/** A format is the application's code: what it throws concerns this line alone. */
function readLine(read: LineReader, line: string): LineResult {
  try {
    return read(line);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return { kind: "invalid", reason: `the format could not read it: ${messageOf(error)}` };
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

function checkZone(zone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    throw new ConfigError("usage", `--tz '${zone}' is no time zone`, { hint: "Write it like Europe/Berlin, or UTC." });
  }
}
