import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../src/core/log.ts";
import { findProgram } from "../../src/stack/binaries/find-program.ts";
import { redisProgram } from "../../src/stack/binaries/programs.ts";
import { redisPlan } from "../../src/stack/services/redis-plan.ts";
import { endWithUs } from "./after-us.ts";
import { freePort } from "./free-port.ts";
import { cutRedisLog, redisLogBytes } from "./redis-log.ts";
import { waitFor } from "./wait-for.ts";

/** A Redis of one test alone, which may do to it what it likes. It writes to disk before it answers, if not told otherwise. */
export interface OwnRedis {
  readonly url: string;
  readonly port: number;
  /** kill -9: what it answered is on disk. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data. */
  restart(): Promise<void>;
  /** It keeps its connections and answers nothing (SIGSTOP), as when its host has vanished, until it is killed or goes on. */
  freeze(): void;
  /** It goes on where it was stopped (SIGCONT), with all that has come in meanwhile. */
  thaw(): void;
  /** How much there is of its log, written or not yet on disk. */
  logBytes(): Promise<number>;
  /** Of one that is down: leaves so much of its log, as a power failure leaves what was on disk. */
  cutLog(bytes: number): Promise<void>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

/** `settings`: of redis.conf, over those of the embedded stack. */
export async function startOwnRedis(settings: Readonly<Record<string, string>> = {}): Promise<OwnRedis> {
  const { path: binary } = await findProgram(redisProgram, { env: process.env, log: silentLogger });
  const dir = await mkdtemp(join(tmpdir(), "headrace-redis-"));
  await mkdir(join(dir, "redis"));
  const port = await freePort();
  const plan = redisPlan({ binary, dir, port, appendFsync: "always" });
  let child: ChildProcess;
  const start = async () => {
    const more = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, ...value.split(" ")]);
    child = endWithUs(spawn(plan.command, [...plan.args, ...more], { stdio: "ignore" }));
    await waitFor(() => plan.check(), { timeout: 30_000, interval: 20 });
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  };
  const close = async () => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  };
  await start().catch(async (error) => {
    await close();
    throw error;
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill,
    restart: start,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    logBytes: () => redisLogBytes(dir),
    cutLog: (bytes) => cutRedisLog(dir, bytes),
    close,
  };
}
