import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../core/errors.ts";
import type { StackPassword } from "../password.ts";
import type { ServicePlan } from "../service.ts";

/** Exit code of the server process when the engine cannot be loaded on this machine: starting again would not help. */
export const engineMissingExitCode = 78;

/** Statements at a time (10), each on a thread of libuv's pool, and room for files and compression beside them. */
const threadPoolSize = 16;

export interface ClickHousePlanOptions {
  readonly dir: string;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** Without one every program on the machine may ask: for tests. */
  readonly password?: StackPassword;
}

/** ClickHouse's engine in a process of ours that speaks its HTTP interface, its data in `<dir>/clickhouse`. */
export function clickhousePlan(options: ClickHousePlanOptions): ServicePlan {
  const { password } = options;
  return {
    name: "clickhouse",
    title: "ClickHouse",
    command: process.execPath,
    args: [
      serverEntry(),
      "--dir",
      join(options.dir, "clickhouse"),
      "--port",
      String(options.port),
      ...(password ? ["--password-file", password.file] : []),
      ...archiveArgs(options),
    ],
    env: { ...options.env, UV_THREADPOOL_SIZE: String(threadPoolSize) },
    logFile: join(options.dir, "logs", "clickhouse.log"),
    port: options.port,
    check: () => askClickHouse(options.port, password?.value ?? ""),
    missing: {
      exitCode: engineMissingExitCode,
      hint: "Run a ClickHouse server and name it in CLICKHOUSE_URL for the other verbs, or use Linux with glibc or macOS and 'npm install chdb'.",
    },
  };
}

/** Where archives may lie: in the state directory, and where the environment says. */
function archiveArgs({ dir, env }: ClickHousePlanOptions): readonly string[] {
  const address = env["HEADRACE_ARCHIVE"] ?? "";
  const bucket = /^s3:\/\/([^/]+)/.exec(address)?.[1];
  const amazon = bucket && `https://${bucket}.s3.${env["HEADRACE_ARCHIVE_REGION"] || "us-east-1"}.amazonaws.com:443`;
  const bucketsAt = env["HEADRACE_ARCHIVE_ENDPOINT"] || amazon;
  const directories = [join(dir, "archive"), ...(address === "" || bucket !== undefined ? [] : [resolve(address)])];
  return [...directories.flatMap((one) => ["--archive", one]), ...(bucketsAt ? ["--buckets-at", bucketsAt] : [])];
}

/** The compiled entry of the server process: under vitest this file runs from src/, and the child has to run from dist/. */
function serverEntry(): string {
  let root = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(root, "package.json")) && dirname(root) !== root) root = dirname(root);
  const entry = join(root, "dist", "stack", "clickhouse", "main.js");
  if (existsSync(entry)) return entry;
  throw new ConfigError("stack.start", `the embedded ClickHouse is not compiled: ${entry} is not there`, {
    hint: "Run 'npm run build' first.",
  });
}

async function askClickHouse(port: number, password: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/?query=SELECT+1`, {
    headers: { "X-ClickHouse-Key": password },
    signal: AbortSignal.timeout(5_000),
  });
  const text = await answer.text();
  if (text.trim() !== "1") throw new Error(text.slice(0, 200));
}
