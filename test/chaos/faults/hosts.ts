import { once } from "node:events";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, sized } from "../fault.ts";
import { holdInsert } from "../points.ts";
import { fillDisk } from "../small-disk.ts";
import { linesOf } from "../verify.ts";

const rate = 1_500;
const exact = "all land, once, in their turn; the ledger counts each once";

/** What befalls the machine that a process runs on. */
export const hostFaults: readonly Fault[] = [
  {
    name: "services-stopped",
    does: "SIGSTOP of Redis, and of ClickHouse, for 15 s each (4 s in the short form), while events keep coming; then SIGCONT",
    expects: `everyone waits and goes on; ${exact}`,
    ownClickHouse: true,
    run: async (rig) => {
      await rig.startWorker();
      const flow = rig.flow(rate / 2);
      for (const service of [rig.redisServer, rig.clickhouseServer]) {
        await sleep(rig.random.int(300, 900));
        await service.freeze();
        await sleep(sized(rig, { short: 4_000, whole: 15_000 }));
        await service.thaw();
      }
      await sleep(500);
      await flow.stop();
      return undefined;
    },
  },
  {
    name: "late-insert-of-a-dead-owner",
    does: "kill -9 of a worker whose insert is held up on its way; another takes over and settles all; then the insert reaches ClickHouse",
    expects: `rows that were there already come once more, and are one row each; ${exact}`,
    run: async (rig) => {
      const faults: string[] = [];
      for (let round = 0; round < sized(rig, { short: 1, whole: 4 }); round++) {
        await rig.stopWorkers();
        const flow = rig.flow(rate / 3);
        const first = await rig.startWorker();
        const held = await holdInsert(first.clickhouse, { turn: 1, table: round % 2 === 0 ? "landed" : "writings" });
        await first.kill();
        const since = performance.now();
        const second = await rig.startWorker();
        await rig.takeoverBy(second, since);
        await flow.stop();
        await rig.drained();
        held.release();
        const answer = await Promise.race([held.answered, sleep(10_000, "no answer", { ref: false })]);
        if (!answer.includes(" 200 ")) faults.push(`the insert of the dead worker did not land late: ${answer}`);
      }
      return { faults };
    },
  },
  {
    name: "worker-out-of-memory",
    does: "a worker runs out of memory (its heap is bounded, and something in it hoards) while events keep coming; another takes over",
    expects: exact,
    wholeOnly: true,
    run: async (rig) => {
      const eater = new URL("../memory-eater.mjs", import.meta.url).href;
      const bounded = { NODE_OPTIONS: `--import=${eater} --max-old-space-size=160` };
      const faults: string[] = [];
      for (let deaths = 0; deaths < 3; deaths++) {
        const flow = rig.flow(rate);
        const worker = await rig.startWorker(bounded);
        await sleep(rig.random.int(500, 2_000));
        const ended = once(worker.process, "exit");
        worker.process.kill("SIGUSR2");
        await ended;
        const since = performance.now();
        if (!worker.said().includes("heap out of memory")) faults.push("a worker did not die for want of memory");
        const next = await rig.startWorker();
        await Promise.all([flow.stop(), rig.takeover(since)]);
        await rig.drained();
        await next.stop();
      }
      await rig.startWorker();
      return { faults };
    },
  },
  {
    name: "redis-disk-full",
    does: "the disk of Redis is full while events are sent and read; after 5 s there is room again, and Redis is started where it has ended over it",
    expects: `no acknowledged event is lost; ${exact}`,
    smallDisk: { service: "redis", megabytes: 32 },
    wholeOnly: true,
    run: async (rig) => {
      const worker = await rig.startWorker();
      for (let round = 0; round < 2; round++) {
        const sending = rig.workload.send(4_000, rate);
        await sleep(rig.random.int(300, 1_200));
        await fillDisk(rig, rig.redisServer);
        await sending;
      }
      return { faults: worker.hasEnded() ? ["the worker ended when the disk of Redis was full"] : [] };
    },
  },
  {
    name: "clickhouse-disk-full",
    does: "the disk of ClickHouse is full for 5 s while events keep coming, twice",
    expects: `the worker tries again, nothing becomes a dead letter; ${exact}`,
    ownClickHouse: true,
    smallDisk: { service: "clickhouse", megabytes: 400 },
    wholeOnly: true,
    run: async (rig) => {
      const worker = await rig.startWorker();
      const faults: string[] = [];
      for (let round = 0; round < 2; round++) {
        const flow = rig.flow(rate / 2);
        await sleep(rig.random.int(500, 1_500));
        await fillDisk(rig, rig.clickhouseServer);
        await flow.stop();
        await rig.drained();
      }
      if (!/insert failed/.test(worker.said())) faults.push("no insert has failed: the disk was never full");
      return { faults };
    },
  },
  {
    name: "redis-clock-steps",
    does: "the clock of Redis steps an hour ahead and back again while events are sent and read; each time the owner is killed with it",
    expects: `a dead owner is replaced in time, whatever the clock says; ${exact}`,
    redisClock: true,
    wholeOnly: true,
    run: async (rig) => {
      await rig.startWorker();
      for (const seconds of [3_600, 0, -3_600, 0]) {
        const flow = rig.flow(rate / 2);
        await sleep(rig.random.int(500, 1_500));
        const [owner] = rig.living();
        const heir = await rig.startWorker();
        // At once: a lease that it renews under the new clock would be none of the old one.
        await Promise.all([rig.redisClock?.step(seconds), owner?.kill()]);
        const since = performance.now();
        await rig.takeoverBy(heir, since);
        await flow.stop();
        await rig.drained();
      }
      return undefined;
    },
  },
  {
    name: "clickhouse-machine-crashes",
    does: "ClickHouse's machine crashes: what was written last, and answered for, was not on its disk yet. Then the operator has the events read again (headrace replay)",
    expects:
      "settled rows are gone and the ledger cannot know it, as the guarantee says; the replay brings all of them back, and nothing is there twice",
    ownClickHouse: true,
    wholeOnly: true,
    run: async (rig) => {
      await rig.startWorker();
      await rig.workload.send(2_000, rate);
      await rig.drained();
      const before = new Date();
      await rig.workload.send(2_000, rate);
      await rig.drained();
      const lost = await rig.query<{ path: string }>(
        `SELECT path FROM system.parts WHERE database = currentDatabase() AND table IN ('landed', 'writings') AND active AND modification_time >= toDateTime(${Math.floor(before.getTime() / 1_000)})`,
      );
      await rig.clickhouseServer.kill();
      for (const { path } of lost) await rm(path, { recursive: true });
      await rig.clickhouseServer.restart();
      const rows = async () => Number((await rig.query<{ n: string }>("SELECT count() AS n FROM landed FINAL"))[0]?.n);
      const gone = rig.workload.acknowledged.size - (await rows());
      const replay = await rig.verb(
        "replay",
        "--pipeline",
        "chaos",
        "--from",
        before.toISOString(),
        "--state-again",
        "--apply",
        "--json",
      );
      const reread = Number(linesOf<{ events?: number }>(replay.stdout).at(-1)?.events);
      await rig.until("all rows are there again", async () => (await rows()) === rig.workload.acknowledged.size).catch(() => {});
      rig.note(`${gone} rows were gone, ${reread} events were read again`);
      const faults = [gone === 0 && "nothing was gone", replay.code !== 0 && `replay: ${replay.stderr}`].filter(
        (one) => one !== false,
      );
      return { maySeeAgain: true, read: rig.workload.acknowledged.size + reread, faults };
    },
  },
];
