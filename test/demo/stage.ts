import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@clickhouse/client";
import { Client, Connection } from "@temporalio/client";
import { app } from "../../pipelines/index.ts";
import { type Headrace, headrace, startHeadrace } from "../support/headrace.ts";
import type { Books, Mismatch } from "./recount.ts";
import type { Report } from "./report.ts";
import type { Truth } from "./truth.ts";

interface Stack {
  readonly redis: string;
  readonly clickhouse: string;
  readonly temporal: string;
  readonly temporalUi: string;
}

interface AuditLine {
  readonly delivered: number;
  readonly inFlight: number;
  readonly balanced: boolean;
}

/** Nothing has moved for this long: something is wrong, and waiting on would hide it. */
const stallMs = 60_000;

/** Starts the services and the application as an operator would, each in its own process. */
export async function startDemo(dir: string, say: (text: string) => void) {
  const processes: Headrace[] = [];
  const close = async () => {
    for (const one of processes.splice(0).reverse()) await one.stop();
  };
  try {
    say("Starting Redis, ClickHouse and Temporal.");
    const up = await startHeadrace(["up", "--dir", dir, "--json"]);
    processes.push(up);
    const stack = up.ready as unknown as Stack;
    await headrace(["migrate", "--apply", "--dir", dir]);
    // They would give carts up and archive rows in the middle of their day, which is yesterday.
    await withTemporal(stack.temporal, (client) =>
      Promise.all(schedules(client).map((one) => one.pause("until the day is over"))),
    );
    say("Starting a worker, a saga worker, and the participants of sagas twice.");
    const started = await Promise.all(
      // Stopped from the last to the first: sagas need their participants to the end.
      ["participants", "participants", "worker", "saga"].map((role) =>
        startHeadrace(["start", "--role", role, "--dir", dir, "--json"]),
      ),
    );
    processes.push(...started);
    return { ...demo(dir, stack), stack, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function demo(dir: string, stack: Stack) {
  const clickhouse = createClient({ url: stack.clickhouse });
  const query = async (sql: string): Promise<readonly Record<string, unknown>[]> =>
    (await clickhouse.query({ query: sql, format: "JSONEachRow" })).json<Record<string, unknown>>();
  const lines = async <Line>(...args: readonly string[]): Promise<readonly Line[]> => {
    const { stdout } = await headrace([...args, "--dir", dir, "--json"]);
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  };
  const countOf = async (sql: string) => Number((await query(sql))[0]?.["n"]);

  /** Looks again and again until `look` says that all is done; `look` also says what has moved. */
  const until = async (what: string, look: () => Promise<{ readonly done: boolean; readonly progress: number }>) => {
    let last = -1;
    for (let since = Date.now(); ; await sleep(200)) {
      const { done, progress } = await look();
      if (done) return;
      if (progress !== last) since = Date.now();
      last = progress;
      if (Date.now() - since > stallMs) throw new Error(`${what}: nothing has moved for ${stallMs / 1_000} s`);
    }
  };

  return {
    query,
    /** Resolves when every pipeline has read and settled all that is in its streams. */
    drained: () =>
      until("the pipelines", async () => {
        const [lag, audits] = await Promise.all([lines<LagLine>("lag"), lines<AuditLine>("audit")]);
        const progress = audits.reduce((sum, { delivered }) => sum + delivered, 0);
        return { done: lag.every((line) => "rollup" in line || (line.lag === 0 && line.pending === 0)), progress };
      }),
    /** Resolves when every rollup has counted what the pipelines have written. */
    counted: () =>
      until("the rollups", async () => {
        const dirty = (await lines<LagLine>("lag")).reduce((sum, line) => sum + ("rollup" in line ? line.dirty : 0), 0);
        return { done: dirty === 0, progress: dirty };
      }),
    /** Resolves when each checkout has a row in `orders`. */
    checkoutsEnded: (expected: number) =>
      until("the checkouts", async () => {
        const ended = await countOf("SELECT count() AS n FROM orders");
        return { done: ended >= expected, progress: ended };
      }),
    /** Gives up the carts that nobody has taken to the till, as the schedule does it every ten minutes; by the clock of the day that was played. */
    sweep: (): Promise<void> =>
      withTemporal(stack.temporal, (client) =>
        client.workflow.execute("cartSweep", {
          taskQueue: "carts",
          workflowId: "cart-sweep-of-the-demo",
          args: [{ clock: "customers" }],
        }),
      ),
    /** Lets the schedules go on. */
    resume: (): Promise<void> =>
      withTemporal(stack.temporal, (client) => Promise.all(schedules(client).map((one) => one.unpause()))),
    /** The books of the participants. */
    books: async (): Promise<Books> => (await lines<Books>("reconcile"))[0] ?? {},
    report: async ({ truth, mismatches, seconds, eventsPerSecond }: ReportInput): Promise<Report> => {
      const [events = {}] = await query(
        "SELECT count() AS rows, countIf(outcome = 'success') AS logins, countIf(outcome = 'failure') AS failed FROM login_events FINAL",
      );
      const [sessions = {}] = await query(
        "SELECT count() AS sessions, quantileExact(0.5)(duration_ms) AS median FROM login_sessions",
      );
      const letters = await lines<{ partition: string; position: string }>("dlq", "ls");
      const audits = await lines<AuditLine>("audit");
      // What several pipelines read, each of them sets aside.
      const deadLettered = new Set(letters.map(({ partition, position }) => `${partition} ${position}`)).size;
      return {
        produced: truth.produced,
        unique: truth.unique,
        duplicates: truth.duplicates,
        invalid: truth.invalid,
        late: truth.late,
        rows: Number(events["rows"]),
        logins: Number(events["logins"]),
        failed: Number(events["failed"]),
        sessions: Number(sessions["sessions"]),
        medianSessionMs: sessions["median"] === null ? null : Number(sessions["median"]),
        deadLettered,
        checkouts: {
          completed: await countOf("SELECT countIf(outcome = 'placed') AS n FROM orders"),
          undone: await countOf("SELECT countIf(outcome = 'refused') AS n FROM orders"),
        },
        audit: audits.every(({ balanced, inFlight }) => balanced && inFlight === 0) ? "balanced" : "unbalanced",
        verified: mismatches.length === 0 && deadLettered === truth.invalid,
        seconds: Math.round(seconds * 10) / 10,
        eventsPerSecond: Math.round(eventsPerSecond),
      };
    },
    urls: () =>
      `Temporal UI  ${stack.temporalUi}\nClickHouse   ${stack.clickhouse}\nRedis        ${stack.redis}\nAsk it:      npx headrace sql --dir ${dir} "SELECT * FROM logins_by_hour ORDER BY hour"`,
  };
}

const schedules = (client: Client) => app.plan.schedules.map(({ name }) => client.schedule.getHandle(name));

async function withTemporal(address: string, use: (client: Client) => Promise<unknown>): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

/** Of a partition of a pipeline, or of a rollup. */
type LagLine = { readonly lag: number; readonly pending: number } | { readonly rollup: string; readonly dirty: number };

interface ReportInput {
  readonly truth: Truth;
  readonly mismatches: readonly Mismatch[];
  readonly seconds: number;
  readonly eventsPerSecond: number;
}
