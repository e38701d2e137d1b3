import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveDay } from "headrace/archive/workflows";
import { type Activities, createActivities } from "../../activities/index.ts";
import { loginEvents, loginMethodsByHour, sessionTimes } from "../../pipelines/tables.ts";
import { createDirectoryStore } from "../../src/archive/directory-store.ts";
import type { ArchiveDeps } from "../../src/archive/port.ts";
import { createArchive } from "../../src/archive/verbs.ts";
import { agreedTime } from "../../src/core/agreed-time.ts";
import { systemClock } from "../../src/core/clock.ts";
import { archivesTable } from "../../src/plan/archive.ts";
import { createMemoryMarks } from "../../src/rollup/memory.ts";
import { refreshRollup } from "../../src/rollup/refresh.ts";
import { createArchiveTables } from "../../src/sinks/clickhouse/archive-tables.ts";
import { createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createRollupStore } from "../../src/sinks/clickhouse/rollup-rows.ts";
import { isLong } from "./long-form.ts";
import { bundleApplication, openSagaBench } from "./saga-bench.ts";
import { clickhouseDatabase, unique } from "./services.ts";

export const table = loginEvents.plan.name;
const firstDay = Date.UTC(2026, 4, 1);

/** ClickHouse with the tables of the logins, and an archive in a directory of its own. */
export async function openShelf(change: Partial<ArchiveDeps> = {}) {
  const client = createClickHouse(await clickhouseDatabase());
  const plans = [loginEvents.plan, sessionTimes.plan, loginMethodsByHour.plan, archivesTable];
  await applyMigration(await planMigration(plans, client), client);
  const root = await mkdtemp(join(tmpdir(), "headrace-archive-"));
  const marks = createMemoryMarks(systemClock);
  const rollups = createRollupStore(client);
  const rollup = loginMethodsByHour.plan;
  const deps: ArchiveDeps = {
    archives: [loginEvents.plan],
    tables: (signal) => createArchiveTables(client, signal),
    store: createDirectoryStore(root),
    counters: {
      settle: (_, day, from) => rollups.settle(rollup, day, from),
      touched: async (_, day) => marks.mark(rollup.name, await rollups.bucketsOn(rollup, day)),
    },
    now: async () => agreedTime("ClickHouse", await client.time()),
    ...change,
  };
  const query = async <Row>(sql: string): Promise<readonly Row[]> => client.query<Row>(sql);
  let days = 0;
  let readers = 0;
  const shelf = {
    client,
    root,
    deps,
    /** A day that no other test uses. */
    freshDay: (): string => new Date(firstDay + days++ * 86_400_000).toISOString().slice(0, 10),
    /** So many logins of a day, from number `from` on; each twice, as deliveries that were repeated leave them. */
    async fill(day: string, rows: number, from = 0): Promise<void> {
      const insert = `INSERT INTO ${table} (event_id, user_id, outcome, at, ip, session_id, method, source)
        SELECT reinterpretAsUUID(sipHash128('${day}', number)), concat('user-', toString(number % 977)),
          if(number % 5 = 0, 'failure', 'success'), toDateTime64('${day} 00:00:00', 3, 'UTC') + (cityHash64(number) % 86400000) / 1000,
          concat('10.0.', toString(number % 256), '.', toString(number % 200)), concat('s', toString(number)),
          ['password', 'sso', 'totp'][number % 3 + 1], 'test'
        FROM numbers(${from}, ${rows})`;
      await client.run(insert, { timeoutMs: 300_000 });
      if (rows <= 10_000) await client.run(insert);
    },
    /** What the table shows of a day, and a hash of it by other functions than the archive's. */
    async inTable(day: string, name = table): Promise<Content> {
      const [row] = await query<Content>(contentOf(`${name} FINAL WHERE toDate(at) = '${day}'`));
      return contentFrom(row);
    },
    /** What the files of the manifests hold. */
    async inArchive(day: string): Promise<Content> {
      const files = (await deps.store.manifests({ table, day })).flatMap((manifest) => manifest.files);
      if (files.length === 0) return { rows: 0, hash: "0" };
      const structure = loginEvents.plan.columns.map(({ name }) => name);
      const all = files.map(({ path }) => `SELECT ${structure.join(", ")} FROM file('${join(root, path)}', 'Parquet')`);
      const [row] = await query<Content>(contentOf(`(SELECT DISTINCT * FROM (${all.join(" UNION ALL ")}))`));
      return contentFrom(row);
    },
    /**
     * Looks again and again whether somebody who asks both finds the day whole, in the table or in the archive. Rows leave the one after
     * they are in the other; so the table is asked a second time before a day counts as missed.
     */
    openReader(day: string, whole: Content) {
      const missed: string[] = [];
      let looks = 0;
      const closed = new AbortController();
      readers++;
      const isWhole = ({ rows, hash }: Content) => rows === whole.rows && hash === whole.hash;
      const look = async () => {
        const found = [];
        for (const place of ["inTable", "inArchive", "inTable"] as const) {
          // A file that is listed may be gone when it is read: then its rows are elsewhere.
          const content = await shelf[place](day).catch(() => ({ rows: -1, hash: "unreadable" }));
          found.push(content.rows);
          if (isWhole(content)) break;
          if (found.length === 3) missed.push(found.join(", "));
        }
        looks++;
      };
      const reading = (async () => {
        while (!closed.signal.aborted) {
          const began = performance.now();
          await look();
          // A quarter of the time at most, and all of many together not all of it: who archives shall get on, too.
          const share = isLong ? 3 : Math.max(3, readers);
          await systemClock.sleep(Math.max(100, share * (performance.now() - began)), closed.signal);
        }
      })();
      return {
        /** One look more, at this moment. */
        look,
        /** Rows that were found in the table, in the archive, and in the table again, wherever none of them was the whole day. */
        async close() {
          closed.abort();
          await reading;
          readers--;
          return { looks, missed };
        },
      };
    },
    /** Rows by key of the rollup on a day, as people read it. */
    counted: (day: string) => query(`SELECT * FROM ${rollup.name} WHERE toDate(hour) = '${day}' ORDER BY ALL`),
    counts: () => refreshRollup(rollup, { marks, store: rollups, clock: systemClock }),
    touch: (day: string) => deps.counters.touched(loginEvents.plan, day),
    /** The tables beside, which must not stay: of a day, or of all of them. */
    aside: async (day = ""): Promise<readonly string[]> => {
      const which = `^headrace_(sealed|gone|closed|stage)_.*${day.replaceAll("-", "")}_`;
      const sql = `SELECT name FROM system.tables WHERE database = currentDatabase() AND match(name, '${which}')`;
      return (await query<{ name: string }>(sql)).map(({ name }) => name);
    },
    activities: (more: Partial<ArchiveDeps> = {}): Activities =>
      createActivities({
        participant: (() => ({})) as never,
        stateOf: async () => undefined,
        statesOf: async function* () {},
        announce: async () => {},
        archive: createArchive({ ...deps, ...more }),
        cleanLogs: async () => ({ deadLetters: { looked: 0, removed: 0 }, archives: { looked: 0, removed: 0 } }),
      } as never),
    async close(): Promise<void> {
      await client.close();
      await rm(root, { recursive: true, force: true });
    },
  };
  return shelf;
}

/** A shelf, and Temporal to archive its days with. That every step stands a replay is looked at by archive-matrix.test.ts. */
export async function openArchiveBench() {
  const code = await bundleApplication();
  const [shelf, bench] = await Promise.all([openShelf(), openSagaBench(code, { maxCachedWorkflows: 100 })]);
  return {
    shelf,
    bench,
    archive: (day: string, activities: Activities = shelf.activities()) =>
      bench.run(archiveDay, { workflowId: unique(`archive/${table}/${day}/`), input: { table, day } }, activities, (handle) =>
        handle.result(),
      ),
    close: async () => {
      await bench.close();
      await shelf.close();
    },
  };
}

export type Shelf = Awaited<ReturnType<typeof openShelf>>;

export interface Content {
  readonly rows: number;
  readonly hash: string;
}

const contentOf = (source: string): string => `
  SELECT count() AS rows, toString(groupBitXor(xxHash64(toString(tuple(event_id, user_id, toString(outcome), at, ip, session_id,
    toString(method), toString(reason), toString(device), toString(country), toString(source)))))) AS hash FROM ${source}`;

const contentFrom = (row: Content | undefined): Content => ({ rows: Number(row?.rows ?? 0), hash: row?.hash ?? "" });
