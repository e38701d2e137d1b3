import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../support/free-port.ts";
import { until } from "./until.ts";

/** A ClickHouse of one test file alone. */
export interface EmbeddedClickHouse {
  /** With user and password. */
  readonly url: string;
  /** Without. */
  readonly address: string;
  readonly password: string;
  /** The directory that statements may use files of. */
  readonly archive: string;
  readonly pid: number;
  stop(): Promise<number | null>;
}

/** Starts the server process as `up` does, on a directory and a port of its own. */
export async function startEmbeddedClickHouse(): Promise<EmbeddedClickHouse> {
  const dir = await mkdtemp(join(tmpdir(), "headrace-clickhouse-"));
  const port = await freePort();
  const password = "of-a-test";
  await writeFile(join(dir, "password"), `${password}\n`);
  const entry = fileURLToPath(new URL("../../../dist/stack/clickhouse/main.js", import.meta.url));
  const child = spawn(
    process.execPath,
    [entry, "--dir", dir, "--port", String(port), "--password-file", join(dir, "password"), "--archive", join(dir, "archive")],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, UV_THREADPOOL_SIZE: "16" },
    },
  );
  const exit = once(child, "exit") as Promise<[number | null]>;
  const address = `http://127.0.0.1:${port}`;
  await until("ClickHouse answers", async () => (await fetch(`${address}/ping`).catch(() => undefined))?.ok);
  return {
    url: `http://default:${password}@127.0.0.1:${port}`,
    address,
    password,
    archive: join(dir, "archive"),
    pid: child.pid as number,
    async stop() {
      child.kill("SIGTERM");
      const [code] = await exit;
      await rm(dir, { recursive: true, force: true });
      return code;
    },
  };
}
