import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { endWithUs } from "./after-us.ts";

/** Addresses of the services that a test run uses. */
export interface Services {
  /** `redis://host:port`, without a database number. */
  readonly redis: string;
  /** `http://host:port`, for ClickHouse's HTTP interface. */
  readonly clickhouse: string;
  /** `host:port` of Temporal's frontend. */
  readonly temporal: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    readonly services: Services;
  }
}

/** Long, because the first run on a machine gets the services' programs. */
const readyWithinMs = 300_000;
const stoppedWithinMs = 30_000;
const linesKept = 40;
const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "bin/headrace.js");

/** One stack for the whole run: embedded, or the one the environment names when HEADRACE_TEST_SERVICES=environment. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (process.env.HEADRACE_TEST_SERVICES === "environment") {
    project.provide("services", {
      redis: fromEnvironment("REDIS_URL"),
      clickhouse: fromEnvironment("CLICKHOUSE_URL"),
      temporal: fromEnvironment("TEMPORAL_ADDRESS"),
    });
    return async () => {};
  }
  const bundling = bundleWorkflows();
  const directory = await mkdtemp(join(tmpdir(), "headrace-test-"));
  const up = endWithUs(
    spawn(process.execPath, [bin, "up", "--dir", directory, "--ports", "free", "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
      // Tests archive into directories of their own, and into buckets on ports of their own.
      env: { ...process.env, HEADRACE_ARCHIVE: tmpdir(), HEADRACE_ARCHIVE_ENDPOINT: "http://127.0.0.1" },
    }),
  );
  const stop = async () => {
    await Promise.all([stopped(up), bundling]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    project.provide("services", await ready(up));
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

/** Once, where saga workers look first: bundling takes seconds of the processor. Who comes before it is there bundles for himself. */
async function bundleWorkflows(): Promise<void> {
  const child = spawn(process.execPath, [bin, "bundle"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  await once(child, "close");
}

/** The addresses of `headrace up`, once all of it answers. */
async function ready(up: ChildProcess): Promise<Services> {
  if (!up.stdout || !up.stderr) throw new Error("headrace up has no output to read");
  const said: string[] = [];
  let isReady = false;
  createInterface(up.stderr).on("line", (line) => {
    said.push(line);
    if (said.length > linesKept) said.shift();
    if (!isReady) process.stderr.write(`${line}\n`);
  });
  up.once("exit", (code, signal) => {
    if (isReady && code !== 0 && signal !== "SIGTERM") {
      process.stderr.write(`headrace up ended in mid-run (${code ?? signal}). Its last lines:\n${said.join("\n")}\n`);
    }
  });
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(`headrace up ${reason}. Its last lines:\n${said.join("\n")}`));
    const timer = setTimeout(() => fail(`was not ready within ${readyWithinMs / 1_000} s`), readyWithinMs);
    up.once("error", (error) => fail(`could not be started: ${error.message}`));
    up.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`ended before it was ready (${code ?? signal})`);
    });
    createInterface(up.stdout as NodeJS.ReadableStream).on("line", (line) => {
      const report = JSON.parse(line) as Partial<Services> & { readonly ready?: boolean };
      if (report.ready !== true || isReady) return;
      clearTimeout(timer);
      const { redis, clickhouse, temporal } = report;
      if (redis === undefined || clickhouse === undefined || temporal === undefined) return fail(`left an address out: ${line}`);
      isReady = true;
      resolve({ redis, clickhouse, temporal });
    });
  });
}

async function stopped(up: ChildProcess): Promise<void> {
  if (up.exitCode !== null || up.signalCode !== null) return;
  const exit = once(up, "exit");
  up.kill("SIGTERM");
  const timer = setTimeout(() => {
    process.stderr.write(`headrace up did not stop within ${stoppedWithinMs / 1_000} s of SIGTERM: killed\n`);
    up.kill("SIGKILL");
  }, stoppedWithinMs);
  await exit;
  clearTimeout(timer);
}

function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`HEADRACE_TEST_SERVICES=environment needs ${name}`);
  return value;
}
