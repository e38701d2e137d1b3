import { vi } from "vitest";
import { app } from "../../pipelines/index.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { Audit } from "../../src/engine/audit.ts";
import { type Headrace, headrace, type Ran, startHeadrace, tryHeadrace } from "./headrace.ts";
import { clickhouseDatabase, redisUrl, temporalAddress } from "./services.ts";

/** A line of `headrace lag --json`. */
export interface LagLine {
  readonly pipeline: string;
  readonly stream: string;
  readonly partition: number;
  readonly owner: string | null;
  readonly epoch: number;
  readonly pending: number;
  readonly lag: number;
  readonly oldestMs: number;
}

/** A line of `headrace audit --json`. */
export type AuditLine = Audit;

/** A line of `headrace dlq show --json`; `dlq ls` leaves the last two out. */
export interface DeadLetterLine {
  readonly id: string;
  readonly pipeline: string;
  readonly stage: string;
  readonly reason: string;
  readonly error: string;
  readonly partition: string;
  readonly position: string;
  readonly type: string;
  readonly event: string;
  readonly at: string;
  readonly original: string | null;
  readonly fields: readonly { readonly name: string; readonly text?: string; readonly base64?: string }[];
}

export interface RunOptions {
  /** Text for standard input. */
  readonly input?: string;
  /** Laid over the operator's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A person at a terminal: the verbs of `headrace`, on services that no other test file uses. */
export interface Operator {
  /** What tells the verbs where the services are. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs a verb; rejects where its exit code is not 0. */
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same, whatever its exit code. */
  tryRun(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Starts a verb that stays, with `--json` among its arguments. `stopAll` ends it. */
  start(args: readonly string[], options?: Pick<RunOptions, "env">): Promise<Headrace>;
  /** `headrace sql --json`. */
  sql<Row = Record<string, unknown>>(statement: string): Promise<readonly Row[]>;
  lag(pipeline: string): Promise<readonly LagLine[]>;
  audit(pipeline: string): Promise<AuditLine>;
  deadLetters(): Promise<readonly DeadLetterLine[]>;
  /** Resolves when the pipeline has read and settled all that is in its streams. */
  drained(pipeline: string, timeoutMs?: number): Promise<void>;
  stopAll(): Promise<void>;
}

/** Opens the file's own Redis database and ClickHouse database, still without tables. */
export async function openOperator(): Promise<Operator> {
  const { url, database } = await clickhouseDatabase();
  const env = {
    REDIS_URL: await redisUrl(),
    CLICKHOUSE_URL: url,
    CLICKHOUSE_DATABASE: database,
    TEMPORAL_ADDRESS: temporalAddress(),
  };
  const running: Headrace[] = [];
  const run: Operator["run"] = (args, options = {}) => headrace(args, { ...options, env: { ...env, ...options.env } });
  const lines = async <Line>(...args: readonly string[]) => linesOf<Line>((await run([...args, "--json"])).stdout);
  const lag = async (pipeline: string) => (await lines<LagLine>("lag")).filter((line) => line.pipeline === pipeline);

  return {
    env,
    run,
    tryRun: (args, options = {}) => tryHeadrace(args, { ...options, env: { ...env, ...options.env } }),
    async start(args, options = {}) {
      const started = await startHeadrace(args, { env: { ...env, ...options.env } });
      running.push(started);
      return started;
    },
    sql: (statement) => lines("sql", statement),
    lag,
    async audit(pipeline) {
      // Exits with 1 where a pipeline is not balanced: its line says so, and the test that reads it.
      const { stdout } = await tryHeadrace(["audit", "--json"], { env });
      const found = linesOf<AuditLine>(stdout).find((line) => line.pipeline === pipeline);
      if (found === undefined) throw new Error(`audit has no line of '${pipeline}': ${stdout}`);
      return found;
    },
    deadLetters: () => lines("dlq", "show"),
    async drained(pipeline, timeoutMs = 60_000) {
      // Asked of Redis itself: a process for each look would slow down what is waited for.
      const bus = await openRedisBus({ url: env.REDIS_URL, logger: silentLogger });
      const sources = app.plan.pipelines.find(({ name }) => name === pipeline)?.sources ?? [];
      const look = async () => {
        const states = await Promise.all(sources.flatMap(partitionsOf).map((partition) => bus.state(partition, pipeline)));
        const waiting = states.filter(({ lagEntries, pendingEntries }) => lagEntries > 0 || pendingEntries > 0);
        if (states.length === 0 || waiting.length > 0) throw new Error(`${pipeline} has not drained: ${JSON.stringify(waiting)}`);
      };
      try {
        await vi.waitFor(look, { timeout: timeoutMs, interval: 50 });
      } finally {
        await bus.close();
      }
    },
    async stopAll() {
      await Promise.all(running.splice(0).map((one) => one.stop()));
    },
  };
}

/** Standard output as the JSON objects that it holds, one a line. Throws where a line is anything else. */
export const linesOf = <Line>(stdout: string): readonly Line[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
