import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { slowHash } from "../../../src/core/xxhash.ts";
import { type Fault, sized } from "../fault.ts";
import { logOf, partitions, type Rig, type RigWorker } from "../rig.ts";

const rate = 1_500;
/** A frame is set aside when it has been tried so often. */
const tries = 6;

export const eventFaults: readonly Fault[] = [
  {
    name: "undecodable-frames",
    does: "frames whose checksum, count, codec or body is wrong, among good ones",
    expects: "each is one dead letter and counts for the events that it announces; all else lands",
    run: async (rig) => {
      await rig.startWorker();
      const sending = rig.workload.send(2_400, rate);
      const bodies = [
        { ...frameOf(rig, 7), h: "0000000000000000" },
        { ...frameOf(rig, 5), n: "6" },
        { ...frameOf(rig, 3), c: "zstd" },
        withBody({ ...frameOf(rig, 4) }, "{"),
        withBody({ ...frameOf(rig, 2) }, '{"s":[],"id":["a","b"],"t":[1,2],"d":[]}'),
      ];
      for (const fields of bodies) {
        await sleep(rig.random.int(20, 150));
        await rig.redis.xAdd(logOf(rig.random.pick(partitions)), "*", fields);
      }
      await sending;
      const announced = bodies.reduce((sum, { n }) => sum + Number(n), 0);
      // What was put there by hand was acknowledged to nobody.
      const read = rig.workload.acknowledged.size + announced;
      return { deadLettered: { undecodable: announced }, read, refused: byHand(rig) };
    },
  },
  {
    name: "bad-event-in-a-good-frame",
    does: "frames in which one event does not fit its schema, has no time in reach, or makes a stage throw",
    expects: "that event is a dead letter with its reason, its siblings land",
    run: async (rig) => {
      await rig.startWorker();
      const sending = rig.workload.send(2_400, rate);
      await rig.workload.sendThese(rig.workload.take(5, "throw"));
      // A frame of somebody else's making: its bad events are no ones that were acknowledged.
      const fields = frameOf(rig, 4, (event, i) =>
        i === 1 ? { ...event, data: { ...event.data, n: "many" } } : i === 2 ? { ...event, time: 0 } : event,
      );
      await rig.redis.xAdd(logOf("00"), "*", fields);
      await sending;
      await rig.drained();
      const [row] = await rig.query<{ n: string }>("SELECT count() AS n FROM landed FINAL WHERE user_id = 'by-hand'");
      const faults = Number(row?.n) === 2 ? [] : [`${row?.n} of the two good siblings have landed`];
      return {
        deadLettered: { "stage-failed": 5, schema: 1, "time-out-of-range": 1 },
        read: rig.workload.acknowledged.size + 4,
        refused: byHand(rig),
        mayHaveGaps: true,
        faults,
      };
    },
  },
  {
    name: "event-kills-the-process",
    does: "an event that kills the process (SIGKILL) each time that it is met; a supervisor starts the worker again at once",
    expects: `after ${tries} tries its frame is in the dead letters; all else lands, and pays for no death that it did not cause`,
    run: async (rig) => {
      let deaths = 0;
      let isOver = false;
      await rig.workload.send(1_000);
      await rig.workload.sendThese(rig.workload.take(1, "die"));
      const supervise = async () => {
        for (let worker: RigWorker = await rig.startWorker(); !isOver; await sleep(50)) {
          if (!worker.hasEnded()) continue;
          deaths++;
          worker = await rig.startWorker();
        }
      };
      const supervising = supervise();
      await rig.workload.send(1_000, rate);
      // Each death costs the rest of a lease.
      const left = await rig.drained(sized(rig, { short: 150_000, whole: 240_000 }));
      isOver = true;
      await supervising;
      rig.note(`${deaths} deaths`);
      const faults = [
        deaths > tries && `it killed ${deaths} workers, and ${tries} are the limit`,
        !(await isSetAside(rig)) && "the event is not in the dead letters",
      ].filter((fault) => fault !== false);
      const deadLettered = { "gave-up": 1 };
      return { deadLettered, faults, ...(left !== undefined && { unsettled: `after ${deaths} deaths ${left}` }) };
    },
  },
];

/** Events that were put into frames by hand. */
const byHand = ({ workload }: Rig): number =>
  [...workload.attempted.values()].filter(({ userId }) => userId === "by-hand").length;

/** Whether the event that kills is a dead letter. */
async function isSetAside(rig: Rig): Promise<boolean> {
  const poison = [...rig.workload.attempted.values()].find(({ orders }) => orders === "die");
  // Nothing of it was decoded: its id is in the bytes that are kept.
  const { stdout } = await rig.verb("dlq", "show", "--json");
  return poison !== undefined && stdout.includes(poison.id);
}

interface HandMade {
  readonly id: string;
  readonly time: number;
  readonly data: { readonly userId: string; readonly n: unknown; readonly orders: string };
}

/** A frame made by the letter of docs/wire-format.md, without the code of this project. */
function frameOf(
  rig: Rig,
  count: number,
  change: (event: HandMade, i: number) => HandMade = (event) => event,
): Record<string, string> {
  const events = Array.from({ length: count }, (_, i) =>
    change({ id: rig.random.uuid(), time: Date.now() - 1_000, data: { userId: "by-hand", n: i + 1, orders: "obey" } }, i),
  );
  for (const { id, data, time } of events) {
    rig.workload.tried({ id, userId: data.userId, n: Number(data.n), time: new Date(time), orders: "obey" });
  }
  const body = JSON.stringify({
    s: [["login.recorded", ["userId", "n", "orders"]]],
    id: events.map(({ id }) => id),
    t: events.map(({ time }) => time),
    d: [[events.map(({ data }) => data.userId), events.map(({ data }) => data.n), events.map(({ data }) => data.orders)]],
  });
  const times = events.map(({ time }) => time);
  return withBody(
    {
      ...{ v: "1", pid: `by-hand/${createHash("sha1").update(body).digest("hex")}`, inc: "1", fs: "0", n: String(count), c: "j" },
      ...{ t0: String(Math.min(...times)), t1: String(Math.max(...times)) },
    },
    body,
  );
}

const withBody = (fields: Record<string, string>, body: string): Record<string, string> => {
  const { d: _, h: __, ...rest } = fields;
  return { ...rest, h: slowHash(Buffer.from(body)).toString(16).padStart(16, "0"), d: body };
};
