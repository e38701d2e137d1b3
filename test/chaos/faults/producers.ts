import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, sized } from "../fault.ts";
import { startProducerProcess } from "../producer-process.ts";

const rate = 1_500;

export const producerFaults: readonly Fault[] = [
  {
    name: "producer-sends-again",
    does: "Redis stores a frame, and its answer is lost with the connection: the producer sends it again",
    expects: "every frame is stored once: all land, once, in their turn; the ledger counts each once",
    run: async (rig) => {
      await rig.startWorker();
      const sending = rig.workload.send(sized(rig, { short: 6_000, whole: 40_000 }), rate);
      let lost = 0;
      const wanted = sized(rig, { short: 4, whole: 25 });
      const untap = rig.producerProxy.tap((piece, link, direction) => {
        // An answer to an append names the entry that was stored.
        if (direction !== "downstream" || lost >= wanted || !piece.includes("stored")) return;
        if (!rig.random.chance(0.2)) return;
        lost++;
        link.client.resetAndDestroy();
        return "drop";
      });
      await sending;
      untap();
      return { faults: lost === wanted ? [] : [`${lost} answers were lost, ${wanted} should have been`] };
    },
  },
  {
    name: "producer-restarts",
    does: "kill -9 of a producer; it starts with a new id, and sends again all that it had no acknowledgement for",
    expects: "nothing that was acknowledged is lost, and an event that was stored twice is one row",
    run: async (rig) => {
      await rig.startWorker();
      let left = rig.workload.take(sized(rig, { short: 4_000, whole: 30_000 }));
      for (const event of left) rig.workload.tried(event);
      for (let kills = 0; left.length > 0; kills++) {
        const producer = startProducerProcess({ redisUrl: rig.env["REDIS_URL"] as string, events: left, perSecond: rate }, (id) =>
          rig.workload.stored(id),
        );
        if (kills < sized(rig, { short: 3, whole: 12 })) {
          await producer.started;
          await sleep(rig.random.int(100, 600));
          producer.kill();
        }
        await producer.ended;
        left = left.filter(({ id }) => !rig.workload.acknowledged.has(id));
      }
      return { maySeeAgain: true, read: "stored" };
    },
  },
];
