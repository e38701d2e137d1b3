import { setTimeout as sleep } from "node:timers/promises";
import { residentBytes } from "../../../bench/child.ts";
import { type Fault, sized } from "../fault.ts";
import { holdInsert } from "../points.ts";
import type { FaultProxy } from "../proxy.ts";

const rate = 1_500;
const exact = "all land, once, in their turn; the ledger counts each once";

/** What a worker may take at most: 60,000 events in flight, and what a machine with no core to spare has not collected yet. */
const mostMegabytes = 500;

export const clickhouseFaults: readonly Fault[] = [
  {
    name: "clickhouse-away",
    does: "ClickHouse is away for 60 s (8 s in the short form) while events keep coming",
    expects: `the worker waits and tries again in bounded memory, nothing becomes a dead letter, and it catches up while events keep coming; ${exact}`,
    run: async (rig) => {
      const worker = await rig.startWorker();
      const flow = rig.flow(rate);
      await sleep(rig.random.int(300, 900));
      worker.clickhouse.cutOff();
      await sleep(sized(rig, { short: 8_000, whole: 60_000 }));
      const missing = async () => {
        const [found] = await rig.query<{ rows: string }>("SELECT count() AS rows FROM landed FINAL");
        return rig.workload.acknowledged.size - Number(found?.rows);
      };
      // On a machine with much else to do fewer are sent in the same time: what is to be caught up with is not less for it.
      const wanted = rate * sized(rig, { short: 6, whole: 50 });
      await rig.until(`a backlog of ${wanted} events builds up`, async () => (await missing()) >= wanted, 120_000);
      const backlog = await missing();
      worker.clickhouse.heal();
      const since = performance.now();
      await rig.until("less than a second's events are missing", async () => (await missing()) < rate);
      const seconds = (performance.now() - since) / 1_000;
      await flow.stop();
      const bytes = residentBytes([worker.process.pid ?? 0], "VmHWM");
      const megabytes = bytes && Math.round(bytes / 2 ** 20);
      rig.note(`a backlog of ${backlog} events was caught up with in ${seconds.toFixed(1)} s; ${megabytes} MB at most`);
      const faults = [];
      if (megabytes !== undefined && megabytes > mostMegabytes)
        faults.push(`the worker took ${megabytes} MB, and ${mostMegabytes} are its bound`);
      return { faults };
    },
  },
  {
    name: "batch-over-two-days-killed",
    does: "kill -9 of ClickHouse while it takes an insert that spans two days, so that one day's part may be there and the other's not",
    expects: exact,
    ownClickHouse: true,
    run: async (rig) => {
      const worker = await rig.startWorker();
      for (let round = 0; round < sized(rig, { short: 2, whole: 12 }); round++) {
        const flow = rig.flow(rate);
        await inserting(worker.clickhouse, rig.random.int(1, 3));
        await sleep(rig.random.int(0, 12));
        await rig.clickhouseServer.kill();
        await rig.clickhouseServer.restart();
        await flow.stop();
        await rig.drained();
      }
    },
  },
  {
    name: "insert-finishes-late",
    does: "an insert is held back beyond its time-out, repeated, and reaches ClickHouse after its repetition",
    expects: `one row an event; ${exact}`,
    run: async (rig) => {
      const faults: string[] = [];
      const worker = await rig.startWorker();
      for (let round = 0; round < sized(rig, { short: 2, whole: 6 }); round++) {
        const flow = rig.flow(rate);
        const table = round % 2 === 0 ? "landed" : "writings";
        const held = await holdInsert(worker.clickhouse, { table, turn: rig.random.int(1, 3) });
        await flow.stop();
        const left = await rig.drained();
        held.release();
        const answer = await Promise.race([held.answered, sleep(10_000, "no answer", { ref: false })]);
        if (left !== undefined) faults.push(`behind an insert that timed out the rest was not settled: ${left}`);
        if (!answer.includes(" 200 ")) faults.push(`the insert that was held back did not land late: ${answer}`);
      }
      return { faults };
    },
  },
  {
    name: "view-fails-once",
    does: "a materialised view behind the table fails for one insert",
    expects: `the rows go in with the repetition, and the view has them too; ${exact}`,
    run: async (rig) => {
      await rig.command("CREATE TABLE switch (on UInt8) ENGINE = Memory");
      await rig.command(
        "CREATE TABLE watched (user_id String, event_id UUID) ENGINE = ReplacingMergeTree ORDER BY (user_id, event_id)",
      );
      await rig.command(
        "CREATE MATERIALIZED VIEW watcher TO watched AS SELECT user_id, event_id FROM landed WHERE throwIf((SELECT count() FROM switch) > 0, 'told to fail') = 0",
      );
      await rig.command("INSERT INTO switch VALUES (1)");
      const worker = await rig.startWorker();
      const failed = new Promise<void>((resolve, reject) => {
        const untap = worker.clickhouse.tap(async (piece, _, direction) => {
          if (direction !== "downstream" || !piece.includes("told to fail")) return;
          untap();
          await rig.command("TRUNCATE TABLE switch").then(resolve, reject);
        });
      });
      await rig.workload.sendMixed(2_400, rate);
      await failed;
      await rig.drained();
      const [{ wrong } = { wrong: "?" }] = await rig.query<{ wrong: string }>(
        "SELECT count() AS wrong FROM landed AS l FULL JOIN watched AS w ON l.event_id = w.event_id WHERE l.user_id != w.user_id",
      );
      return { faults: Number(wrong) === 0 ? [] : [`${wrong} events are not both in the table and behind the view`] };
    },
  },
];

/** Resolves when the insert of that turn is on its way to ClickHouse. */
async function inserting(proxy: FaultProxy, turn: number): Promise<void> {
  const held = await holdInsert(proxy, { turn });
  held.release();
}
