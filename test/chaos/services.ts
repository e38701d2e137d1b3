import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLogger } from "../../src/core/log.ts";
import { findProgram } from "../../src/stack/binaries/find-program.ts";
import { redisProgram, temporalProgram } from "../../src/stack/binaries/programs.ts";
import { type GuardedProcess, startGuarded } from "../../src/stack/guard.ts";
import type { ServicePlan } from "../../src/stack/service.ts";
import { clickhousePlan } from "../../src/stack/services/clickhouse-plan.ts";
import { redisPlan } from "../../src/stack/services/redis-plan.ts";
import { temporalPlan } from "../../src/stack/services/temporal-plan.ts";
import { freePort } from "../support/free-port.ts";

const readyWithinMs = 60_000;

/** A service that may be killed and started again, on the same port and data. It does not outlive this process. */
export interface BreakableService {
  readonly port: number;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again, and resolves when it answers. */
  restart(): Promise<void>;
  /** SIGSTOP: it keeps its connections, and answers nothing. */
  freeze(): Promise<void>;
  /** SIGCONT. */
  thaw(): Promise<void>;
  /** Whether it has ended, by itself or not. */
  hasEnded(): boolean;
  close(): Promise<void>;
}

/** Redis that writes to disk before it answers: what it acknowledged survives its own death. */
export async function startRedis(dir: string, env: Readonly<Record<string, string>> = {}): Promise<BreakableService> {
  const { path: binary } = await findProgram(redisProgram, { env: process.env, log: silentLogger });
  await mkdir(join(dir, "redis"), { recursive: true });
  const plan = redisPlan({ binary, dir, port: await freePort(), appendFsync: "always" });
  return start({ ...plan, env: { ...(plan.env ?? process.env), ...env } }, dir);
}

export async function startClickHouse(dir: string): Promise<BreakableService> {
  return start(clickhousePlan({ dir, port: await freePort(), env: process.env }), dir);
}

export async function startTemporal(dir: string): Promise<BreakableService> {
  const { path: binary } = await findProgram(temporalProgram, { env: process.env, log: silentLogger });
  await mkdir(join(dir, "temporal"), { recursive: true });
  return start(temporalPlan({ binary, dir, port: await freePort(), uiPort: await freePort() }), dir);
}

async function start(plan: ServicePlan, dir: string): Promise<BreakableService> {
  await mkdir(join(dir, "logs"), { recursive: true });
  let running: GuardedProcess;
  let hasEnded = true;
  const signal = async (name: NodeJS.Signals) => void process.kill(await running.pid, name);
  const restart = async () => {
    running = startGuarded({ ...plan, graceSeconds: 10 });
    let end: string | undefined;
    hasEnded = false;
    void running.exited.then(({ text }) => {
      end = text;
      hasEnded = true;
    });
    for (const since = Date.now(); ; await sleep(20)) {
      const fault = await plan.check().then(
        () => undefined,
        (error) => error,
      );
      if (end === undefined && fault === undefined) return;
      if (end !== undefined) throw new Error(`${plan.title} ended at its start (${end}): see ${plan.logFile}`);
      if (Date.now() - since > readyWithinMs) throw new Error(`${plan.title} does not answer: ${fault}`);
    }
  };
  await restart();
  return {
    port: plan.port,
    kill: async () => {
      await signal("SIGKILL");
      await running.exited;
    },
    restart,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    hasEnded: () => hasEnded,
    close: async () => void (await running.stop()),
  };
}
