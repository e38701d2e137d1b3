import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, sized } from "../fault.ts";
import { compareBooks, outputsOf } from "../keyed/compare.ts";
import { readBooks } from "../keyed/outputs.ts";
import { keyedApp } from "../keyed/rig-app.ts";
import { closing, makeTraffic, openSender, type Sender } from "../keyed/traffic.ts";
import { recount } from "../keyed/truth.ts";
import { openWorkflows } from "../keyed/workflows.ts";
import type { Rig, RigWorker } from "../rig.ts";
import { undisturbedClock } from "../undisturbed.ts";

const agreeWithinMs = 90_000;

export const keyedStateFaults: readonly Fault[] = [
  {
    name: "keyed-state-killed-at-random",
    does: "kill -9 of one of several workers, at random moments (40 in the whole suite, 4 in the short form), and once of Redis, while logins, carts and meters come out of order, twice, and through producers that send again",
    expects:
      "rows, sessions, attacks, carts with their history, checkouts, windows, reports and derived events are those of a recount of what was sent: each once, nothing more, nothing late",
    app: keyedApp,
    run: async (rig) => {
      const workflows = await openWorkflows(rig.directory);
      const sender = await openSender(`redis://127.0.0.1:${rig.producerProxy.port}`, (event) =>
        insist(() => rig.addPlain(event)),
      );
      try {
        return await killAtRandom(rig, sender, workflows);
      } finally {
        await sender.close();
        await rig.stopWorkers();
        await workflows.close();
      }
    },
  },
];

async function killAtRandom(rig: Rig, sender: Sender, workflows: Awaited<ReturnType<typeof openWorkflows>>) {
  const { kills, events, team } = sized(rig, {
    short: { kills: 4, events: 1_500, team: 2 },
    whole: { kills: 40, events: 12_000, team: 3 },
  });
  const temporal = { TEMPORAL_ADDRESS: workflows.address };
  await rig.migrate(temporal);
  const start = () => rig.startWorker(temporal);
  const workers: RigWorker[] = [];
  for (let i = 0; i < team; i++) workers.push(await start());
  const traffic = makeTraffic(rig.random, events);
  const portion = Math.ceil(traffic.length / (kills + 1));
  const resends = loseAnswers(rig);
  for (let i = 0; i <= kills; i++) {
    const sending = sender.send(traffic.slice(i * portion, (i + 1) * portion), 900);
    if (i === kills) {
      await sending;
      break;
    }
    await sleep(rig.random.int(20, 900));
    await rig.spared();
    if (i === Math.floor(kills / 2)) {
      await rig.redisServer.kill();
      await sleep(1_000);
      await rig.redisServer.restart();
    }
    const victim = rig.random.int(0, team - 1);
    await workers[victim]?.kill();
    // Every other time the next one dies before the work of this one is taken over. It is watched from here on: sending takes its own time.
    const takenOver = i % 2 === 1 ? rig.takeover(performance.now()) : undefined;
    takenOver?.catch(() => {}); // told below
    workers[victim] = await start();
    await sending;
    await takenOver;
  }
  resends.end();
  await sender.send(closing(rig.random, traffic), 900);

  const truth = recount(traffic);
  let look = await compared();
  for (const spent = undisturbedClock(); look.faults.length > 0 && spent() < agreeWithinMs; await sleep(500))
    look = await compared();
  const unsettled = await rig.drained();
  // What is one too many may have come when all was there.
  look = await compared();
  const outputs = { ...(await outputsOf(rig, look, traffic.length)), unsettled };
  rig.note(`${look.summary}; ${resends.count()} answers to producers lost`);
  const late = outputs.audit.late > 0 ? [`${outputs.audit.late} events were late`] : [];
  return { outputs, faults: [...look.faults, ...late] };

  async function compared() {
    const { books, faults } = await readBooks(rig, workflows.ids);
    const comparison = compareBooks(truth, books);
    return { ...comparison, faults: [...comparison.faults, ...faults] };
  }
}

/** Until Redis has answered. What it stored without an answer comes twice, and is one event by its id. */
async function insist(add: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      return void (await add());
    } catch {
      await sleep(50);
    }
  }
}

/** Now and then an answer to a producer is lost with its connection: it sends its frame again. */
function loseAnswers(rig: Rig) {
  let lost = 0;
  const end = rig.producerProxy.tap((piece, link, direction) => {
    if (direction !== "downstream" || !piece.includes("stored") || !rig.random.chance(0.02)) return;
    lost++;
    link.client.resetAndDestroy();
    return "drop";
  });
  return { end, count: () => lost };
}
