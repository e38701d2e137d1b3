import { maxDeadLetterBytes } from "../bus/port.ts";
import { silentLogger } from "../core/log.ts";
import { noTelemetry, type Telemetry } from "../telemetry/port.ts";
import { checkLease, defaultLeaseMs, openHost } from "./host.ts";
import { type Running, runInBackground } from "./lifecycle.ts";
import { addressesOf, type HostedOptions, split } from "./options.ts";
import { workerRole } from "./worker-role.ts";

/** What `createWorker` runs, and where the services are. */
export interface CreateWorkerOptions extends HostedOptions {
  /** Names of the pipelines that it runs; the others run elsewhere. @default all */
  readonly pipelines?: readonly string[];
  /** Memory for keyed states, over all partitions, bytes. @default 64 MiB */
  readonly stateCacheBytes?: number;
  /** How long its partitions wait for another worker when this process dies, milliseconds. @default 10000 */
  readonly leaseMs?: number;
  /** Told what the worker does: what it reads and commits, how far it lags, what is tried again, what becomes a dead letter. @default nobody */
  readonly telemetry?: Telemetry;
}

/**
 * Runs pipelines inside this process, as `headrace start --role worker` does in one of its own: workers share the partitions among
 * them, wherever they run. Tables have to be there: `headrace migrate --apply`. Signals of the process are not listened to.
 *
 * Its `ready` rejects with a ConfigError where the options, the servers' settings or the tables do not fit, with a RetryableError where
 * a service does not answer.
 *
 * @example
 * ```ts
 * const worker = createWorker({ app, redis: "redis://127.0.0.1:6379", clickhouse: "http://127.0.0.1:8123" });
 * await worker.ready;
 * process.once("SIGTERM", () => worker.close());
 * ```
 */
export function createWorker(options: CreateWorkerOptions): Running {
  const { logger = silentLogger, telemetry = noTelemetry, signal } = options;
  const { stateCacheBytes = 64 * 1024 * 1024, deadLetterBytes = maxDeadLetterBytes } = options;
  const role = workerRole({ stateCacheBytes, deadLetterBytes, telemetry });
  const open = async () =>
    openHost({
      ...split(options.app.plan, options.pipelines),
      ...{ roles: [role], at: addressesOf(options, "createWorker"), logger },
      leaseMs: checkLease("leaseMs", options.leaseMs ?? defaultLeaseMs),
    });
  return runInBackground(open, { name: "worker", logger, signal });
}
