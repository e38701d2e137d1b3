import { resolve } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { type Logger, silentLogger } from "../core/log.ts";
import { findProgram } from "./binaries/find-program.ts";
import { redisProgram, temporalProgram } from "./binaries/programs.ts";
import { userName } from "./clickhouse/access.ts";
import { type ProcessRecord, stopLeftovers, writeProcesses } from "./leftovers.ts";
import { lockDirectory } from "./lock.ts";
import { openPassword } from "./password.ts";
import { choosePorts } from "./ports.ts";
import { Service, type ServicePlan } from "./service.ts";
import { clickhousePlan } from "./services/clickhouse-plan.ts";
import { redisPlan } from "./services/redis-plan.ts";
import { temporalPlan } from "./services/temporal-plan.ts";
import type { AppendFsync, StackPorts } from "./settings.ts";
import { makeDirectories, removeStack, type StackInfo, writeStack } from "./state-file.ts";

export interface StartStackOptions {
  /** The state directory; made when it is not there. */
  readonly dir: string;
  /** `free` (the default) takes the ports of last time where they are free. */
  readonly ports?: "free" | "standard";
  /** Default `everysec`. */
  readonly appendFsync?: AppendFsync;
  /** Aborts the start. */
  readonly signal?: AbortSignal;
}

export interface StackDeps {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly env?: NodeJS.ProcessEnv;
}

/** Redis, ClickHouse and Temporal, running under this process. */
export interface RunningStack {
  readonly info: StackInfo;
  /** The services' processes of now, by name. */
  readonly processes: () => readonly ProcessRecord[];
  /** Resolves when a service died so often that it was given up. */
  readonly givenUp: Promise<Error>;
  /** Stops all of it in order. May be called twice. */
  close(): Promise<void>;
}

/** Another program may take a port between its choice and the service's start. */
const portAttempts = 3;

/**
 * Starts the three services on a state directory, each supervised: one that dies is started again on its port.
 * When this process dies, guards stop the services. Throws ConfigError `stack.missing`, `stack.port`, `stack.state`
 * or `stack.start`; nothing is left running then.
 */
export async function startStack(options: StartStackOptions, deps: StackDeps = {}): Promise<RunningStack> {
  const { clock = systemClock, log = silentLogger, env = process.env } = deps;
  const dir = resolve(options.dir);
  makeDirectories(dir, ["redis", "clickhouse", "temporal", "logs"]);
  const unlock = lockDirectory(dir);
  try {
    await stopLeftovers(dir, { clock, log });
    removeStack(dir);
    const search = { env, log };
    const [redis, temporal] = await Promise.all([findProgram(redisProgram, search), findProgram(temporalProgram, search)]);
    const password = openPassword(dir);
    const kind = options.ports ?? "free";
    for (let attempt = 1; ; attempt += 1) {
      const ports = await choosePorts(kind, dir);
      const plans = [
        redisPlan({ binary: redis.path, dir, port: ports.redis, appendFsync: options.appendFsync ?? "everysec", password }),
        clickhousePlan({ dir, port: ports.clickhouse, env, password }),
        temporalPlan({ binary: temporal.path, dir, port: ports.temporal, uiPort: ports.temporalUi }),
      ];
      try {
        const services = await startServices(plans, { dir, clock, log, signal: options.signal ?? new AbortController().signal });
        return runningStack(services, { dir, ports, password: password.value, unlock });
      } catch (error) {
        if (kind === "standard" || attempt === portAttempts || !/EADDRINUSE|address already in use/i.test(messageOf(error)))
          throw error;
        log.warn({}, "another program took one of the ports: trying others");
      }
    }
  } catch (error) {
    unlock();
    throw error;
  }
}

interface StartedServices {
  readonly services: readonly Service[];
  readonly processes: () => readonly ProcessRecord[];
  readonly givenUp: Promise<Error>;
  readonly stop: () => Promise<void>;
}

async function startServices(
  plans: readonly ServicePlan[],
  { dir, clock, log, signal }: { dir: string; clock: Clock; log: Logger; signal: AbortSignal },
): Promise<StartedServices> {
  let giveUp: (error: Error) => void = () => {};
  const givenUp = new Promise<Error>((resolve) => {
    giveUp = resolve;
  });
  const services: Service[] = [];
  const processes = () => services.map((service) => service.processes).filter((record) => record !== undefined);
  const onProcesses = () => {
    try {
      writeProcesses(dir, processes());
    } catch (error) {
      // A full disk must not keep a service from being started again; it is only the note for the next start.
      log.warn({ error }, `processes.json could not be written`);
    }
  };
  services.push(...plans.map((plan) => new Service(plan, { clock, log, onProcesses, onGivenUp: giveUp })));
  const stop = async () => {
    // Who writes stops before who is written to: Temporal, then ClickHouse, then Redis.
    for (const service of [...services].reverse()) await service.stop();
  };
  const abort = new AbortController();
  const starts = services.map((service) =>
    service.start(AbortSignal.any([signal, abort.signal])).catch((error: unknown) => {
      abort.abort();
      throw error;
    }),
  );
  const failed = await Promise.all(starts).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (failed === undefined) return { services, processes, givenUp, stop };
  await Promise.allSettled(starts);
  await stop();
  throw failed.error;
}

function runningStack(
  started: StartedServices,
  { dir, ports, password, unlock }: { dir: string; ports: StackPorts; password: string; unlock: () => void },
): RunningStack {
  const info: StackInfo = {
    redis: `redis://:${password}@127.0.0.1:${ports.redis}`,
    clickhouse: `http://${userName}:${password}@127.0.0.1:${ports.clickhouse}`,
    temporal: `127.0.0.1:${ports.temporal}`,
    temporalUi: `http://127.0.0.1:${ports.temporalUi}`,
    dir,
    pid: process.pid,
  };
  writeStack(info);
  let closing: Promise<void> | undefined;
  const close = async () => {
    removeStack(dir);
    await started.stop();
    unlock();
  };
  return {
    info,
    processes: started.processes,
    givenUp: started.givenUp,
    close() {
      closing ??= close();
      return closing;
    },
  };
}
