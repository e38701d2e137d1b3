import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { writeStandardError } from "../../core/standard-error.ts";
import { engineMissingExitCode } from "../services/clickhouse-plan.ts";
import { Engine } from "./engine.ts";
import { createHttpServer } from "./http-server.ts";
import { configureEngine } from "./rights.ts";
import { openSpool } from "./spool.ts";

/** Statements that still run get this long when the process is asked to stop. */
const drainMs = 5_000;

const write = (level: string) => (fields: object, message: string) =>
  writeStandardError(`${JSON.stringify({ level, message, ...fields })}\n`);
const log: Logger = { debug: () => {}, info: write("info"), warn: write("warn"), error: write("error") };

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      "dir": { type: "string" },
      "port": { type: "string" },
      "password-file": { type: "string" },
      "archive": { type: "string", multiple: true, default: [] },
      "buckets-at": { type: "string" },
    },
  });
  const { dir, port } = values;
  if (dir === undefined || port === undefined)
    throw new Error("usage: main.js --dir DIR --port PORT [--password-file FILE] [--archive DIR]… [--buckets-at URL]");
  const passwordFile = values["password-file"];
  try {
    await import("chdb");
  } catch (error) {
    writeStandardError(
      `ClickHouse's engine (npm package chdb) cannot be loaded on ${process.platform}-${process.arch}: ${messageOf(error)}\n`,
    );
    process.exit(engineMissingExitCode);
  }
  const dataDir = join(dir, "data");
  mkdirSync(dataDir, { recursive: true });
  // A relative path in a statement must not lead into the project.
  process.chdir(dataDir);
  const config = configureEngine(dir, { directories: values.archive, bucketsAt: values["buckets-at"] });
  const engine = await Engine.start({ dir: dataDir, config });
  const { server, drain } = createHttpServer({
    engine,
    spool: openSpool(join(dir, "spool")),
    version: await engine.version(),
    password: passwordFile === undefined ? undefined : readFileSync(passwordFile, "utf8").trim(),
    archives: values.archive,
    log,
  });

  let stopping = false;
  const stop = async (why: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info({ why }, "stopping");
    await drain(drainMs);
    engine.close();
    process.exit(0);
  };
  process.on("SIGTERM", () => void stop("SIGTERM"));
  process.on("SIGINT", () => void stop("SIGINT"));
  // A parent that was killed cannot send a signal: another parent means that it is gone.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && void stop("the parent is gone"), 500).unref();

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), "127.0.0.1", resolve);
  });
  log.info({ port: Number(port) }, "ready");
}

main().catch((error: unknown) => {
  writeStandardError(`${messageOf(error)}\n`);
  process.exit(1);
});
