import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, sized } from "../fault.ts";
import { at, holdInsert, holdQuestion, type Point } from "../points.ts";
import { leaseOf, placingApp, type Rig, type RigWorker } from "../rig.ts";

const rate = 1_500;

/** Kills the worker at the point, round after round, while events keep coming; another one takes over. */
async function killAt(rig: Rig, points: readonly Point[]): Promise<void> {
  for (let round = 0; round < sized(rig, { short: points.length, whole: Math.max(points.length, 5) }); round++) {
    const point = points[round % points.length] as Point;
    const turn = rig.random.int(1, 4);
    const flow = rig.flow(rate);
    const worker = await rig.startWorker();
    await at(worker, { point, turn }, () => worker.kill());
    rig.note(`killed at ${point} ${turn}`);
    const since = performance.now();
    await rig.startWorker();
    await Promise.all([flow.stop(), rig.takeover(since)]);
    if (round + 1 < sized(rig, { short: points.length, whole: 5 })) await rig.stopWorkers();
  }
}

/** Stops a worker in its tracks, until another has taken everything over and settled all that flowed. */
async function outlast(rig: Rig, first: RigWorker, flow: ReturnType<Rig["flow"]>): Promise<void> {
  first.process.kill("SIGSTOP");
  const since = performance.now();
  const second = await rig.startWorker();
  await rig.takeoverBy(second, since);
  await flow.stop();
  await rig.drained();
}

const exact = "all land, once, in their turn; the ledger counts each once";

const killed = (name: string, does: string, points: readonly Point[]): Fault => ({
  name,
  does: `kill -9 of the worker ${does}`,
  expects: exact,
  run: async (rig) => {
    await killAt(rig, points);
    return undefined;
  },
});

export const workerFaults: readonly Fault[] = [
  killed("killed-before-insert", "when it begins to send an insert", ["before-insert"]),
  killed("killed-inside-insert", "when ClickHouse has half of an insert", ["inside-insert"]),
  killed("killed-between-insert-and-commit", "between insert and commit: at ClickHouse's answer, and at the commit", [
    "after-insert",
    "before-commit",
  ]),
  killed("killed-after-commit", "when Redis has committed and the worker has not heard of it", ["after-commit"]),
  {
    name: "killed-at-random",
    does: "kill -9 of the worker that owns the partitions, at random moments (40 in the whole suite, 4 in the short form)",
    expects: exact,
    run: async (rig) => {
      const kills = sized(rig, { short: 4, whole: 40 });
      let owner = await rig.startWorker();
      for (let i = 0; i < kills; i++) {
        const sending = rig.workload.sendMixed(900, rate);
        await sleep(rig.random.int(20, 2_000));
        // A worker that only ever lives for moments is a crash loop, and what it has in hand is set aside, as it should be.
        await rig.spared();
        await owner.kill();
        const since = performance.now();
        owner = await rig.startWorker();
        await Promise.all([sending, rig.takeover(since)]);
      }
    },
  },
  {
    name: "killed-while-it-recovers",
    does: "kill -9 of the worker before its first commit, with a backlog; and of its successor, before its first commit",
    expects: `the third settles all within 45 s: what was given out twice must not hold up the rest; ${exact}`,
    run: async (rig) => {
      await rig.workload.sendMixed(sized(rig, { short: 3_000, whole: 12_000 }), 2 * rate);
      for (let deaths = 0; deaths < 2; deaths++) {
        const worker = await rig.startWorker();
        // Each partition is to have something under way.
        const read = rig.until("entries of every partition are pending", () => rig.isPendingEverywhere());
        await Promise.all([at(worker, { point: "before-commit", turn: 1 }, () => read.then(() => worker.kill())), read]);
      }
      const since = performance.now();
      await rig.startWorker();
      await rig.takeover(since);
      return undefined;
    },
  },
  {
    name: "state-asked-for-too-late",
    does: "SIGSTOP of a worker that waits for keyed state; the answer comes when another has taken over and moved the state on; then SIGCONT",
    expects: `${exact}; nothing is written that was computed from a state that had moved on`,
    run: async (rig) => {
      for (let round = 0; round < sized(rig, { short: 1, whole: 4 }); round++) {
        await rig.stopWorkers();
        const flow = rig.flow(rate / 2);
        const first = await rig.startWorker();
        // States are asked for once a key: the first questions are the ones there are.
        const held = await holdQuestion(first.redis, { turn: round === 0 ? rig.random.int(1, 2) : 1 });
        await outlast(rig, first, flow);
        held.release();
        await held.answered;
        first.process.kill("SIGCONT");
        // Long enough for what it computes from the answer to be written.
        await sleep(2_000);
      }
      return undefined;
    },
  },
  {
    name: "stopped-beyond-its-lease",
    does: "SIGSTOP of a worker in the middle of an insert, until another has taken over and settled all; then SIGCONT",
    expects: `${exact}; the one that wakes up changes nothing`,
    run: async (rig) => {
      for (let round = 0; round < sized(rig, { short: 1, whole: 4 }); round++) {
        await rig.stopWorkers();
        const flow = rig.flow(rate / 2);
        const first = await rig.startWorker();
        const held = await holdInsert(first.clickhouse, { turn: rig.random.int(1, 4) });
        await outlast(rig, first, flow);
        held.release();
        first.process.kill("SIGCONT");
        // It goes on where it was stopped: what it holds is written, and must not be committed.
        await rig.workload.sendMixed(600, rate);
        await rig.drained();
      }
    },
  },
  {
    name: "two-for-one-partition",
    does: "leases are taken from living workers again and again, so that two believe to own a partition",
    expects: `${exact}; the one that has lost its lease is fenced`,
    run: async (rig) => {
      await Promise.all([rig.startWorker(), rig.startWorker()]);
      const sending = rig.workload.sendMixed(sized(rig, { short: 6_000, whole: 40_000 }), rate);
      let isOver = false;
      const over = sending.then(() => {
        isOver = true;
      });
      while (!isOver) {
        // Slow enough for a frame to be settled before it has been given out too often: that would count as its own fault.
        await sleep(rig.random.int(150, 900));
        await rig.redis.hDel(leaseOf(rig.random.pick(placingApp.lanes)), ["owner", "until"]);
      }
      await over;
    },
  },
  {
    name: "joins-and-leaves",
    does: "workers join and leave while events flow",
    expects: `${exact}; a newcomer is given a share of the partitions`,
    run: async (rig) => {
      const flow = rig.flow(rate / 3);
      const faults: string[] = [];
      const team = [await rig.startWorker()];
      for (let i = 0; i < sized(rig, { short: 2, whole: 8 }); i++) {
        const newcomer = await rig.startWorker();
        team.push(newcomer);
        await rig
          .until("a newcomer owns a partition", async () => (await rig.owners()).includes(newcomer.instance), 12_000)
          .catch((error) => faults.push(error.message));
        const leaver = team.splice(rig.random.int(0, team.length - 1), 1)[0] as RigWorker;
        const since = performance.now();
        leaver.process.kill("SIGTERM");
        if (!leaver.hasEnded()) await once(leaver.process, "exit");
        if (leaver.process.exitCode !== 0) faults.push(`a worker that was told to leave ended with ${leaver.process.exitCode}`);
        await rig.takeover(since);
      }
      await flow.stop();
      return { faults };
    },
  },
  {
    name: "clock-step",
    does: "the clock of one worker jumps an hour ahead, that of its stand-by an hour back, in mid-stream; then the first is killed",
    expects: exact,
    run: async (rig) => {
      const step = new URL("../clock-step.mjs", import.meta.url).href;
      const stepping = (hours: number) => ({ NODE_OPTIONS: `--import=${step}`, CHAOS_CLOCK_STEP_MS: String(hours * 3_600_000) });
      const first = await rig.startWorker(stepping(1));
      const second = await rig.startWorker(stepping(-1));
      const sending = rig.workload.sendMixed(sized(rig, { short: 4_500, whole: 30_000 }), rate);
      await sleep(500);
      for (const worker of [first, second]) worker.process.kill("SIGUSR2");
      await sleep(rig.random.int(500, 1_500));
      await first.kill();
      await Promise.all([sending, rig.takeover(performance.now())]);
      for (const worker of [first, second])
        if (!worker.said().includes("clock stepped")) return { faults: ["the clock of a worker was not stepped"] };
    },
  },
  {
    name: "deploy-in-mid-stream",
    does: "a new release (one column more) is migrated and started, and the old one told to stop, while events flow",
    expects: `${exact}; rows of both releases`,
    run: async (rig) => {
      const next = { CHAOS_RELEASE: "2" };
      const old = await rig.startWorker();
      const flow = rig.flow(rate);
      await rig.until("the old release has written", async () => (await releases(rig)).includes(1));
      await rig.migrate(next);
      await rig.startWorker(next);
      const since = performance.now();
      await old.stop();
      await rig.takeover(since);
      await rig.until("the new release has written", async () => (await releases(rig)).includes(2)).catch(() => {});
      await flow.stop();
      const seen = await releases(rig);
      return { faults: seen.join() === "1,2" ? [] : [`rows of the releases ${seen.join()}, and not of 1 and 2`] };
    },
  },
];

const releases = async (rig: Rig): Promise<readonly number[]> =>
  (await rig.query<{ release: number }>("SELECT DISTINCT release FROM landed ORDER BY release")).map(({ release }) => release);
