import { setTimeout as sleep } from "node:timers/promises";
import { type EventDraft, openProducer, type Stream } from "headrace";
import * as events from "../../../pipelines/events.ts";
import * as streams from "../../../pipelines/streams.ts";
import type { Random } from "../../demo/random.ts";
import { readings, readingTaken } from "./pipelines/index.ts";

type StreamName = "logins" | "app-logins" | "carts" | "readings";

/** An event as it is sent. One that is sent twice is there twice. */
export interface Sent {
  readonly stream: StreamName;
  readonly id: string;
  readonly event: EventDraft<string, unknown> & { readonly time: Date };
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
/** By how much events come out of order at most: well within what windows and timers allow for. */
const shuffledMs = 4 * minuteMs;
/** Between two events of a kind, on average. */
const stepMs = 3_600;
const meters = 30;

/**
 * A day of logins, carts and meters in the order in which it is sent: out of the order of its times, and one in twenty of its events sent
 * again later. A cart's events keep their order, since that is what a cart depends on.
 */
export function makeTraffic(random: Random, count: number): readonly Sent[] {
  const from = Math.floor(Date.now() / secondMs) * secondMs - count * stepMs - 3 * 60 * minuteMs;
  const timeOf = (i: number) => new Date(from + Math.round((i + random.next()) * stepMs));
  const sessions: { readonly userId: string; readonly sessionId: string }[] = [];
  const once = Array.from({ length: count }, (_, i) => [
    { stream: "readings", id: random.uuid(), event: reading(random, timeOf(i)) },
    { stream: random.chance(0.2) ? "app-logins" : "logins", id: random.uuid(), event: login(random, timeOf(i), sessions) },
    { stream: "carts", id: random.uuid(), event: cart(random, timeOf(i), Math.ceil(count / 120)) },
  ]).flat() as readonly Sent[];
  const arrivals = once.flatMap((sent) => {
    const at = sent.event.time.getTime();
    const arrival = sent.stream === "carts" ? at : at + random.int(0, shuffledMs);
    return [{ sent, arrival }, ...(random.chance(0.05) ? [{ sent, arrival: arrival + random.int(0, 20 * minuteMs) }] : [])];
  });
  return arrivals.toSorted((one, other) => one.arrival - other.arrival).map(({ sent }) => sent);
}

/** What comes at last, to every partition of the readings, and so much later that all before it is final. */
export function closing(random: Random, traffic: readonly Sent[]): readonly Sent[] {
  const newest = Math.max(...traffic.map(({ event }) => event.time.getTime()));
  return Array.from({ length: 64 }, (_, i) => ({
    stream: "readings",
    id: random.uuid(),
    event: { ...readingTaken({ meter: `closing-${i}`, units: 0, place: "" }), time: new Date(newest + 60 * minuteMs) },
  }));
}

const reading = (random: Random, time: Date) => ({
  ...readingTaken({ meter: `meter-${random.int(1, meters)}`, units: random.int(0, 500), place: `place-${random.int(1, 5)}` }),
  time,
});

function login(random: Random, time: Date, sessions: { readonly userId: string; readonly sessionId: string }[]) {
  const userId = `user-${random.int(1, 60)}`;
  const ip = `203.0.113.${random.int(1, 20)}`;
  const kind = random.next();
  if (kind < 0.5) return { ...events.loginFailed({ userId: `user-${random.int(1, 12)}`, ip }), time };
  const open = sessions.at(-random.int(1, 40));
  if (kind < 0.7 && open) return { ...events.loginEnded(open), time };
  const begun = { userId, sessionId: `session-${random.hex(8)}` };
  sessions.push(begun);
  return { ...events.loginSucceeded({ ...begun, ip }), time };
}

/** Whatever clients and sagas may say to a cart, whether it makes sense or not. */
function cart(random: Random, time: Date, carts: number) {
  const cartId = `cart-${random.int(1, carts)}`;
  // Some carts hold many different things, others much of a few.
  const isWide = cartId.endsWith("7");
  const sku = `sku-${random.int(1, isWide ? 70 : 6)}`;
  const quantity = random.int(1, isWide ? 3 : 60);
  const checkoutId = `${cartId}/${random.int(1, 3)}`;
  const kind = random.next();
  const event =
    kind < 0.06
      ? events.cartCreated({ cartId, userId: `user-${random.int(1, 60)}` })
      : kind < (isWide ? 0.92 : 0.55)
        ? events.itemAdded({ cartId, sku, quantity, unitPriceCents: random.int(1, 9_999) })
        : kind < 0.7
          ? events.itemRemoved({ cartId, sku, quantity })
          : kind < 0.84
            ? events.quantityChanged({ cartId, sku, quantity: quantity - 1 })
            : kind < 0.9
              ? events.checkoutRequested({ cartId, checkoutId, paymentToken: "tok" })
              : kind < 0.98
                ? events.cartUnfrozen({ cartId, checkoutId })
                : kind < 0.995
                  ? events.cartCheckedOut({ cartId, checkoutId })
                  : events.cartAbandoned({ cartId });
  return { ...event, time };
}

export interface Sender {
  /** Sends at this rate; resolves when Redis has answered for all of it. */
  send(sent: readonly Sent[], perSecond: number): Promise<void>;
  close(): Promise<void>;
}

/** Producers of the streams. @param addPlain adds an entry to the adopted stream, once Redis has it */
export async function openSender(redisUrl: string, addPlain: (event: object) => Promise<unknown>): Promise<Sender> {
  // The streams have no event in common: each event is checked against its stream as it is sent.
  const open = (stream: Stream<never>) => openProducer<never>(stream, { redisUrl, durability: "fsync" });
  const producers = {
    logins: await open(streams.logins as Stream<never>),
    carts: await open(streams.carts as Stream<never>),
    readings: await open(readings as Stream<never>),
  };
  return {
    async send(all, perSecond) {
      const stored: Promise<unknown>[] = [];
      const since = performance.now();
      for (const [i, { stream, id, event }] of all.entries()) {
        const aheadMs = (1_000 * i) / perSecond - (performance.now() - since);
        if (aheadMs > 25) await sleep(aheadMs);
        if (stream === "app-logins") stored.push(addPlain({ id, ...event }));
        else stored.push((await producers[stream].send(event as never, { id })).stored);
      }
      await Promise.all(stored);
    },
    close: async () => void (await Promise.all(Object.values(producers).map((producer) => producer.close()))),
  };
}
