import { setTimeout as sleep } from "node:timers/promises";
import { type EventOf, type OpenProducerOptions, openProducer } from "headrace";
import { createRandom, type Random } from "../demo/random.ts";
import { loginRecorded, logins } from "./app/pipelines/index.ts";

/** An event as it is sent. */
export interface Login {
  readonly id: string;
  readonly userId: string;
  /** Its number among the events of its user, from 1. */
  readonly n: number;
  readonly time: Date;
  readonly orders: "obey" | "throw" | "die";
}

type Level = NonNullable<OpenProducerOptions["durability"]>;

/** Sends logins and keeps the truth: which were tried, and which Redis has acknowledged. */
export interface Workload {
  readonly attempted: ReadonlyMap<string, Login>;
  readonly acknowledged: ReadonlySet<string>;
  /** Those of a program without Headrace that Redis has not answered for: it asks once, and does not know what came of them. */
  readonly unanswered: ReadonlySet<string>;
  /** The next `count` logins of the seed. They are not sent by this. */
  take(count: number, orders?: Login["orders"]): readonly Login[];
  /** Sends as many, and resolves when all of them are acknowledged or refused. @param perSecond how fast; without it, at once */
  send(count: number, perSecond?: number): Promise<void>;
  sendThese(events: readonly Login[], perSecond?: number): Promise<void>;
  /** The same, and a fifth as many as entries of their own in the adopted stream, as a program without Headrace writes them. */
  sendMixed(count: number, perSecond: number): Promise<void>;
  /** Opens a new producer in the place of the one before, which is left as it is. @param durability its level @default "fsync" */
  renew(durability?: Level): Promise<void>;
  /** Counts an event that was sent by other means. */
  tried(event: Login): void;
  stored(id: string): void;
  close(): Promise<void>;
}

const users = 40;
const dayMs = 86_400_000;
/** What is sent between two rests of a paced producer. */
const burstMs = 25;
const closeWithinMs = 3_000;

export interface WorkloadDeps {
  readonly redisUrl: () => string;
  /** Adds an entry to the adopted stream; resolves when Redis has answered. */
  readonly addPlain: (event: object) => Promise<unknown>;
}

export function openWorkload(seed: string, { redisUrl, addPlain }: WorkloadDeps): Workload {
  const random = createRandom(seed);
  const attempted = new Map<string, Login>();
  const acknowledged = new Set<string>();
  const unanswered = new Set<string>();
  const counts = new Map<string, number>();
  const midnight = Math.floor(Date.now() / dayMs) * dayMs - dayMs;
  const producers: Awaited<ReturnType<typeof openProducer<EventOf<typeof loginRecorded>>>>[] = [];
  const open = async (durability: Level = "fsync") => {
    const opened = await openProducer(logins, { redisUrl: redisUrl(), durability });
    producers.push(opened);
    return opened;
  };

  const make = (orders: Login["orders"], prefix = "user"): Login => {
    // What goes wrong has a user of its own: the numbers of the others must not have gaps.
    const userId = orders === "obey" ? `${prefix}-${random.int(1, users)}` : `${orders}-${random.hex(8)}`;
    const n = (counts.get(userId) ?? 0) + 1;
    counts.set(userId, n);
    return { id: random.uuid(), userId, n, time: timeOf(random, midnight), orders };
  };
  const self: Workload = {
    attempted,
    acknowledged,
    unanswered,
    take: (count, orders = "obey") => Array.from({ length: count }, () => make(orders)),
    send: (count, perSecond) => self.sendThese(self.take(count), perSecond),
    sendThese: async (events, perSecond = Number.POSITIVE_INFINITY) => {
      const sending = producers.at(-1) ?? (await open());
      const settled: Promise<void>[] = [];
      const since = performance.now();
      for (const [i, event] of events.entries()) {
        const aheadMs = (1_000 * i) / perSecond - (performance.now() - since);
        if (aheadMs > burstMs) await sleep(aheadMs);
        attempted.set(event.id, event);
        const { id, userId, n, time, orders } = event;
        // A producer that has failed refuses all that follows: it is not acknowledged, and no more is claimed.
        const sent = await sending.send(loginRecorded({ userId, n, orders }, { time }), { id }).catch(() => undefined);
        if (!sent) continue;
        settled.push(
          sent.stored.then(
            () => void acknowledged.add(id),
            () => {},
          ),
        );
      }
      await Promise.all(settled);
    },
    sendMixed: async (count, perSecond) => {
      const framed = self.take(count);
      const plain = Array.from({ length: Math.round(count / 5) }, () => make("obey", "plain"));
      await Promise.all([self.sendThese(framed, perSecond), sendPlain(plain, perSecond / 5)]);
    },
    renew: async (durability) => void (await open(durability)),
    tried: (event) => void attempted.set(event.id, event),
    stored: (id) => void acknowledged.add(id),
    close: async () => {
      // What one cannot store is not among the acknowledged; and one that tries for ever must not keep us.
      const closing = producers.splice(0).map((producer) => producer.close().catch(() => {}));
      await Promise.race([Promise.all(closing), sleep(closeWithinMs, undefined, { ref: false })]);
    },
  };
  return self;

  async function sendPlain(events: readonly Login[], perSecond: number): Promise<void> {
    const since = performance.now();
    const adding: Promise<unknown>[] = [];
    for (const [i, event] of events.entries()) {
      const aheadMs = (1_000 * i) / perSecond - (performance.now() - since);
      if (aheadMs > burstMs) await sleep(aheadMs);
      const { id, userId, n, time, orders } = event;
      attempted.set(id, event);
      const type = "login.recorded";
      adding.push(
        addPlain({ id, type, time, data: { userId, n, orders } }).then(
          () => acknowledged.add(id),
          () => unanswered.add(id),
        ),
      );
    }
    await Promise.all(adding);
  }
}

/** Half a day before midnight to half a day after it. */
const timeOf = (random: Random, midnight: number): Date => new Date(midnight + random.int(-dayMs / 2, dayMs / 2));
