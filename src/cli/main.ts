import { Command, CommanderError, Option } from "@commander-js/extra-typings";
import { durabilityKinds } from "../bus/durability.ts";
import { messageOf } from "../core/errors.ts";
import { readVersion } from "../core/package-version.ts";
import { writeStandardError } from "../core/standard-error.ts";
import { defaultSagaLimits } from "../host/saga-limits.ts";
import { exitCodes, reportError, say } from "./output.ts";
import { printableLines } from "./printable.ts";

let exitCode: number = exitCodes.fine;
let isAnswerLost = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of our output has closed it, as in `headrace sql … | head`.
  if (error.code === "EPIPE" || isAnswerLost) return;
  isAnswerLost = true;
  say(`error: standard output cannot be written: ${messageOf(error)}\n       What was done stays done. Give it another place.`);
});

/** Verbs are loaded when they are called: `headrace --help` must not wait for Temporal's native core. */
const program = new Command("headrace")
  .description("Typed stream processing on Redis Streams, ClickHouse and Temporal")
  .version(readVersion(), "--version", "print the version")
  .option("--cwd <directory>", "where the application lies", process.cwd())
  .option("--dir <directory>", "where the state of 'headrace up' lies", ".headrace")
  .option("--debug", "print stack traces", false)
  .exitOverride()
  .showHelpAfterError("       'headrace --help' lists the verbs, and 'headrace <verb> --help' their options.")
  .configureOutput({
    writeErr: (text) => writeStandardError(printableLines(text)),
    // What it suggests stands on a line of its own.
    outputError: (text, write) => write(text.replace("\n(", " (")),
  });

const done = (code: number): void => {
  exitCode = code;
};
const where = () => {
  const { cwd, dir } = program.opts();
  return { cwd, dir };
};

program
  .command("up")
  .description("start Redis, ClickHouse and Temporal, and keep them running")
  .option("--append-fsync <everysec|always>", "when Redis writes to disk; 'always' loses nothing to a crash", "everysec")
  .option("--ports <free|standard>", "'standard': 6379, 8123, 7233 and 8233", "free")
  .option("--json", "print one JSON line when all answer", false)
  .action(async (options) => done(await (await import("./up.ts")).upVerb({ ...where(), ...options })));

program
  .command("start")
  .description(
    "run the application: pipelines (worker), sagas (saga), the systems that take part in them (participants), and what takes events over HTTP (collector)",
  )
  .option(
    "--role <roles>",
    "worker, saga, participants, collector, joined by commas (default: all that the project has, without a collector)",
  )
  .option("--pipelines <names>", "only these, joined by commas")
  .option("--state-cache-mb <number>", "memory of a worker for keyed states, which Redis holds all", "64")
  .option("--lease <duration>", "how long what it holds waits for another when it dies", "10s")
  .option(
    "--cached-workflows <number>",
    "workflows that a saga worker keeps in memory between their tasks",
    String(defaultSagaLimits.cachedWorkflows),
  )
  .option(
    "--workflow-slots <number>",
    "tasks of workflows that a saga worker runs at once",
    String(defaultSagaLimits.workflowSlots),
  )
  .option("--activity-slots <number>", "activities that a saga worker runs at once", String(defaultSagaLimits.activitySlots))
  .option("--build-id <id>", "workflows that start on this build finish on it (also HEADRACE_BUILD_ID)")
  .option("--deployment <name>", "what the builds are builds of", "headrace")
  .option("--port <number>", "where a collector listens; 0 takes a free one", "4380")
  .option("--fault <faults>", "make participants fail, such as payments.authorise:decline=0.2,stock:die=0.01")
  .option("--json", "print one JSON line when ready", false)
  .action(async (options) => done(await (await import("./start.ts")).startVerb({ ...where(), ...options })));

program
  .command("bundle")
  .description("bundle the workflows ahead, so that saga workers start at once")
  .option("--out <file>", "where to (default: .headrace/workflow-bundle.js)")
  .action(async (options) => done(await (await import("./bundle.ts")).bundleVerb({ ...where(), ...options })));

program
  .command("send")
  .description("send events from lines of text to a stream")
  .argument("<stream>")
  .argument("[files...]", "more files, as a shell lists them behind --file")
  .option(
    "--file <file>",
    "a file, packed or not, or - for standard input, the default; several are sent in the order of their events",
    (file: string, files: readonly string[] = []) => [...files, file],
  )
  .option("--from <format>", "json, or a format of the application", "json")
  .option("--rate <number>", "events a second at most")
  .option("--year <year>", "the year of the first line, for stamps without one")
  .option("--tz <zone>", "the time zone of stamps that tell none, such as Europe/Berlin (default: UTC)")
  .option("--give-up-after <duration>", "how long to wait for Redis, such as 2m")
  .addOption(
    new Option("--durability <level>", "when an event counts as sent: in Redis, on its disk, in a replica too")
      .choices(durabilityKinds)
      .default("memory" as const),
  )
  .option("--json", "print the counts as JSON", false)
  .action(async (stream, more, { file = [], ...options }) =>
    done(await (await import("./send.ts")).sendVerb(stream, { ...where(), ...options, files: [...file, ...more] })),
  );

program
  .command("sql")
  .description("ask ClickHouse")
  .argument("<statement>")
  .option("--json", "one JSON object a line", false)
  .action(async (statement, options) => done(await (await import("./sql.ts")).sqlVerb(statement, { ...where(), ...options })));

program
  .command("migrate")
  .description("bring ClickHouse's tables and views in line with the application; shows the plan")
  .option("--apply", "carry the plan out", false)
  .option("--json", "one JSON object a step", false)
  .action(async (options) => done(await (await import("./migrate.ts")).migrateVerb({ ...where(), ...options })));

program
  .command("check")
  .description("look the application over; with what is deployed, where a Redis is found")
  .option("--json", "print the findings as JSON", false)
  .action(async (options) => done(await (await import("./check.ts")).checkVerb({ ...where(), ...options })));

program
  .command("graph")
  .description("draw the streams, pipelines, tables and sagas, and what flows between them")
  .addOption(new Option("--format <format>", "as what").choices(["mermaid", "json", "svg"] as const).default("mermaid" as const))
  .action(async (options) => done(await (await import("./graph.ts")).graphVerb({ ...where(), ...options })));

program
  .command("audit")
  .description("prove that every event has one outcome")
  .option("--json", "one JSON object a pipeline", false)
  .action(async (options) => done(await (await import("./audit.ts")).auditVerb({ ...where(), ...options })));

program
  .command("lag")
  .description("how far each pipeline is with each partition")
  .option("--json", "one JSON object a line", false)
  .action(async (options) => done(await (await import("./lag.ts")).lagVerb({ ...where(), ...options })));

program
  .command("doctor")
  .description("what in the environment would lose data or fail, with the way out")
  .option("--json", "one JSON object a finding, then whether all is well", false)
  .action(async (options) => done(await (await import("./doctor.ts")).doctorVerb({ ...where(), ...options })));

program
  .command("ps")
  .description("which processes are alive, what each does, and the partitions that it holds")
  .option("--json", "one JSON object a process", false)
  .action(async (options) => done(await (await import("./ps.ts")).psVerb({ ...where(), ...options })));

const dlq = program.command("dlq").description("what could not be handled, with its bytes and its reason");
const letters = (name: string, description: string) =>
  dlq
    .command(name)
    .description(description)
    .option("--pipeline <name>", "only of this pipeline")
    .option("--stage <name>", "only from this stage")
    .option("--reason <word>", "only for this reason")
    .option("--since <time>", "only since an ISO time, or for the last 2h")
    .option("--json", "one JSON object a line", false);
letters("ls", "list them")
  .argument("[id]")
  .action(async (id, options) => done(await (await import("./dlq.ts")).dlqLs({ ...where(), ...options }, id)));
letters("show", "show everything that is kept of one, or of all that the filter finds")
  .argument("[id]")
  .action(async (id, options) => done(await (await import("./dlq.ts")).dlqShow({ ...where(), ...options }, id)));
letters("stats", "count them by pipeline, stage and reason").action(async (options) =>
  done(await (await import("./dlq.ts")).dlqStats({ ...where(), ...options })),
);

const applying = (name: string, description: string) =>
  letters(name, description)
    .argument("[id]", "of a dead letter or of its event; <partition>:<id> where several have it")
    .option("--apply", "do it", false);
applying("replay", "let their pipelines read them again, as the code is now; shows which")
  .option("--rate <number>", "events a second at most (default: 1000)")
  .option("--give-up-after <duration>", "how long to wait when no worker takes them", "30s")
  .option("--state-again", "also those that keyed state may have taken before", false)
  .action(async (id, options) => done(await (await import("./dlq-replay.ts")).dlqReplay({ ...where(), ...options }, id)));
applying("discard", "remove them for good; shows which")
  .option("--all", "every one of them", false)
  .action(async (id, options) => done(await (await import("./dlq-discard.ts")).dlqDiscard({ ...where(), ...options }, id)));

program
  .command("replay")
  .description("let one pipeline read its streams again; shows how much that is")
  .requiredOption("--pipeline <name>", "which one; others see nothing of it")
  .requiredOption("--from <position>", "an ISO time, how long ago (2h), an entry, <partition>:<entry>, or 0")
  .option("--rate <number>", "events a second at most (default: 20000)")
  .option("--give-up-after <duration>", "how long to wait when no worker takes them", "30s")
  .option("--state-again", "also where keyed state takes the same events a second time", false)
  .option("--apply", "do it", false)
  .option("--json", "one JSON object a partition, and one at the end", false)
  .action(async (options) => done(await (await import("./replay.ts")).replayVerb({ ...where(), ...options })));

program
  .command("rollup")
  .description("count the buckets of rollups again that have changed, as workers do by themselves")
  .argument("[name]", "only this one")
  .option("--rebuild", "every bucket for which there are rows", false)
  .option("--json", "one JSON object a rollup", false)
  .action(async (name, options) => done(await (await import("./rollup.ts")).rollupVerb(name, { ...where(), ...options })));

const archive = program.command("archive").description("days of tables in Parquet files, and back");
archive
  .command("ls")
  .description("what is archived, and what could be")
  .option("--json", "one JSON object a day and generation", false)
  .action(async (options) => done(await (await import("./archive.ts")).archiveLs({ ...where(), ...options })));
archive
  .command("run")
  .description("archive a day of a table now, and wait for it")
  .argument("<table>")
  .argument("<day>", "2026-11-27, by UTC; it must be over")
  .option("--json", "print what came of it as JSON", false)
  .action(async (table, day, options) =>
    done(await (await import("./archive.ts")).archiveRun({ table, day }, { ...where(), ...options })),
  );
archive
  .command("restore")
  .description("bring an archived day back into its table")
  .argument("<table>")
  .argument("<day>", "2026-11-27, by UTC")
  .option("--json", "one JSON object a generation", false)
  .action(async (table, day, options) =>
    done(await (await import("./archive.ts")).archiveRestore({ table, day }, { ...where(), ...options })),
  );

program
  .command("state")
  .description("what pipelines keep for a key")
  .command("get")
  .description("show the state of a key, and its timers")
  .argument("<pipeline>")
  .argument("<key>")
  .option("--json", "one JSON object a stage that keeps something", false)
  .action(async (pipeline, key, options) =>
    done(await (await import("./state.ts")).stateGet(pipeline, key, { ...where(), ...options })),
  );

program
  .command("reconcile")
  .description("prove that the books of all participants agree, from what each has in its own store")
  .option("--json", "print the books as JSON", false)
  .action(async (options) => done(await (await import("./reconcile.ts")).reconcileVerb({ ...where(), ...options })));

program
  .command("codec-server")
  .description("decode encrypted payloads for Temporal's UI and CLI")
  .option("--host <address>", "where it listens; beyond this machine only with HEADRACE_CODEC_TOKEN", "127.0.0.1")
  .option("--port <number>", "0 takes a free one", "8888")
  .option("--origin <url...>", "the address of Temporal's UI, whose pages may call", [])
  .option("--json", "print one JSON line when ready", false)
  .action(async (options) => done(await (await import("./codec-server.ts")).codecServerVerb(options)));

program
  .command("bench")
  .description("measure it on this machine, beside the raw limits and its rivals")
  .option("--only <names>", "only these measurements, joined by commas")
  .option("--runs <number>", "how often each is run", "5")
  .option("--events <number>", "events of a run")
  .option("--before <directory>", "measure frames and plain with the workers of another checkout too, in turn: the commit before")
  .option("--profile <directory>", "write a CPU profile of each measured process")
  .option("--json", "one JSON object a measurement", false)
  .action(async (options) => done(await (await import("./bench.ts")).benchVerb(options)));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? exitCodes.fine : exitCodes.usage;
  else exitCode = reportError(error, program.opts().debug);
}
// Temporal's native core and idle sockets would keep the process: everything of ours is closed by now.
// The turn is for what is told of a failed write.
process.stdout.write("", () =>
  setImmediate(() => process.exit(isAnswerLost && exitCode === exitCodes.fine ? exitCodes.findings : exitCode)),
);
