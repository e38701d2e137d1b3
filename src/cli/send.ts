import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type Durability, toDurability } from "../bus/durability.ts";
import { Producer } from "../bus/producer.ts";
import { systemClock } from "../core/clock.ts";
import { parseDuration } from "../core/duration.ts";
import { messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import { uuidOf } from "../core/hash.ts";
import { createPace } from "../core/rate-limit.ts";
import type { LineContext, LineEvent } from "../plan/plan.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { exitCodes, say } from "./output.ts";
import { checkFiles, checkZone, findFormat, findStream, fullYear } from "./send/arguments.ts";
import { firstTime, inOrder } from "./send/inputs.ts";
import { tellLateness } from "./send/lateness.ts";
import { type LineSource, openLines } from "./send/lines.ts";
import { readAll } from "./send/read-all.ts";
import { RecentEvents } from "./send/recent-events.ts";
import { type LinePlace, SendReport } from "./send/report.ts";
import { draftEnvelopes } from "./send/to-envelope.ts";
import { openBus, type ServiceLocation } from "./services.ts";

export interface SendOptions extends ServiceLocation {
  /** Files, or `-` for standard input. */
  readonly files: readonly string[];
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
  const zone = options.tz === undefined ? undefined : checkZone(options.tz);
  const giveUpAfterMs = options.giveUpAfter === undefined ? undefined : parseDuration(options.giveUpAfter);
  const stop = new AbortController();
  const opened = checkFiles(options.files).map((file) => openLines(file, { cwd: options.cwd, signal: stop.signal }));
  const contextOf = ({ time }: LineSource): LineContext => ({
    now: time,
    idOf: uuidOf,
    ...(year !== undefined && { year }),
    ...(zone !== undefined && { zone }),
  });
  process.once("SIGINT", () => {
    say("Stopping: what was read is still sent. Ctrl-C again ends at once.");
    stop.abort();
  });
  const sources = await inOrder(opened, (source) => firstTime(format, source, contextOf(source)));
  if (sources.some((source, at) => source !== opened[at]))
    say(`In the order of their events: ${sources.map((source) => source.name).join(", ")}`);

  const logger = createLogger();
  const durability = toDurability(options.durability);
  const bus = await openBus(options, logger);
  const report = new SendReport(options.from);
  const draft = draftEnvelopes(stream);
  const recent = new RecentEvents();
  let at: LinePlace = { line: 0 };
  try {
    await bus.checkDurability(durability);
    await tellLateness({ app, stream, bus }, { format, sources, contextOf });
  } catch (error) {
    await bus.close();
    throw error;
  }
  try {
    const producer = new Producer(
      {
        stream,
        producer: `send/${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`,
        durability,
        ...(giveUpAfterMs !== undefined && { giveUpAfterMs }),
      },
      { bus, clock: systemClock, logger },
    );
    /** Why events were not stored that were sent: what comes behind them waits for a person, and is not sent. */
    let failed: { readonly error: unknown } | undefined;
    const fail = (error: unknown) => {
      failed ??= { error };
    };
    const pace = rate === undefined ? undefined : createPace(rate, systemClock);
    const send = async (event: LineEvent, place: LinePlace): Promise<void> => {
      if (failed) throw failed.error;
      at = place;
      const drafted = draft(event, format.name === "json" ? undefined : format.name, systemClock.now());
      if (drafted.kind === "refused") return report.refuse(place, drafted.reason);
      try {
        if (!recent.isNew(drafted.envelope)) {
          report.duplicates++;
          return;
        }
        await pace?.take(1, stop.signal);
        const { stored } = await producer.send(drafted.envelope);
        stored.catch(fail);
        report.sent++;
      } catch (error) {
        if (!isOfTheEvent(error)) throw error;
        return report.refuse(place, messageOf(error));
      }
    };
    const notes = await readAll({ format, sources, contextOf, signal: stop.signal }, { report, send });
    await producer.flush();
    for (const note of notes) say(note);
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    throw new RetryableError(
      error.code,
      `Redis stayed away for longer than ${options.giveUpAfter}, at line ${at.line}: ${messageOf(error)}`,
      {
        cause: error,
        hint: "Send the same lines again when it is back: those that have arrived change nothing.",
      },
    );
  } finally {
    await bus.close();
  }
  report.print(options.json);
  return stop.signal.aborted ? exitCodes.interrupted : report.invalid > 0 ? exitCodes.findings : exitCodes.fine;
}

/** TypeError: its data hold what JSON cannot say. */
const isOfTheEvent = (error: unknown): boolean =>
  error instanceof TypeError || (error instanceof TerminalError && error.code === "event.invalid");
