import { alerts, carts, loginFailures } from "../../../pipelines/streams.ts";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { keys, partitionsOf } from "../../../src/bus/partition.ts";
import type { Stream } from "../../../src/dsl/stream.ts";
import { decodeAll } from "../../support/decode-all.ts";
import type { Rig } from "../rig.ts";
import { results } from "./pipelines/index.ts";
import { type Books, line } from "./truth.ts";

const ms = (column: string) => `toUnixTimestamp64Milli(${column}) AS ${column}_ms`;

/** Everything that came out, as lines like those of the truth, and sentences about derived events that should not be there. */
export async function readBooks(
  rig: Rig,
  checkouts: () => Promise<readonly string[]>,
): Promise<{ readonly books: Books; readonly faults: readonly string[] }> {
  const rows = async (sql: string) => (await rig.query<object>(sql)).map((row) => line(...Object.values(row)));
  const books: Books = {
    logins: await rows(`SELECT event_id, user_id, outcome, ${ms("at")} FROM login_events FINAL`),
    sessions: await rows(`SELECT user_id, session_id, ${ms("started_at")}, duration_ms FROM login_sessions`),
    attacks: await rows(`SELECT kind, subject, ${ms("since")}, ${ms("until")}, failures FROM login_alerts`),
    history: await rows(`
      SELECT event_id, cart_id, user_id, type, sku, quantity, unit_price_cents, checkout_id, reason, ${ms("at")}
      FROM cart_events FINAL`),
    results: await rows(`
      SELECT kind, meter, ${ms("since")}, ${ms("until")}, readings, units, least, most, places FROM meter_results FINAL`),
    carts: await cartsOf(rig),
    checkouts: await checkouts(),
    told: (await derivedOn(rig, results)).map(({ data }) => String((data as { readonly text: string }).text)),
    noted: [...byId(await derivedOn(rig, loginFailures)).values()].map(({ data }) => {
      const { kind, subject } = data as { readonly kind: string; readonly subject: string };
      return line(kind, subject);
    }),
  };
  return { books, faults: faultsOfAlerts(await derivedOn(rig, alerts), books.attacks) };
}

const byId = (events: readonly Envelope[]) => new Map(events.map((event) => [event.id, event]));

/** An attack is told when it is found, so what the alerts say depends on the order of things; but each is told once, and is one. */
function faultsOfAlerts(told: readonly Envelope[], attacks: readonly string[]): readonly string[] {
  const isAttack = ({ data }: Envelope) => {
    const { userId, ip, since } = data as { readonly userId?: string; readonly ip?: string; readonly since: string };
    const at = Date.parse(since);
    return attacks.some((attack) => {
      const [kind, subject, from, until] = attack.split("|");
      return subject === (kind === "user" ? userId : ip) && Number(from) <= at && at <= Number(until);
    });
  };
  const twice = told.length - byId(told).size;
  const untrue = told.filter((alert) => !isAttack(alert)).length;
  return [
    ...(twice > 0 ? [`${twice} alerts are there twice`] : []),
    ...(untrue > 0 ? [`${untrue} alerts are of no attack`] : []),
    ...(attacks.length > 0 && told.length === 0 ? ["no attack was told"] : []),
  ];
}

/** What the fold keeps of every cart, from Redis itself. */
async function cartsOf({ redis }: Rig): Promise<readonly string[]> {
  const stored = await Promise.all(partitionsOf(carts.plan).map((partition) => redis.hGetAll(keys.states(partition, "carts"))));
  return stored.flatMap(Object.entries<string>).flatMap(([name, json]) => {
    const [stage, cartId] = name.split("\n");
    if (stage !== "cart") return [];
    const { userId, status, checkoutId = "", undone = [], lines } = JSON.parse(json).s as KeptCart;
    return [
      line(
        cartId,
        userId,
        status,
        checkoutId,
        undone,
        lines.map(({ sku, quantity, unitPriceCents }) => `${sku} ${quantity} ${unitPriceCents}`),
      ),
    ];
  });
}

interface KeptCart {
  readonly userId: string;
  readonly status: string;
  readonly checkoutId?: string;
  readonly undone?: readonly string[];
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly unitPriceCents: number }[];
}

const blobs = { 36: Buffer } as const;

/** Every event in the log of a stream that only pipelines write. */
async function derivedOn({ redis }: Rig, { plan }: Stream<unknown>): Promise<readonly Envelope[]> {
  const entries = await Promise.all(
    partitionsOf(plan).map(({ log }) =>
      redis.withTypeMapping(blobs).sendCommand<readonly [Buffer, readonly Buffer[]][]>(["XRANGE", log, "-", "+"]),
    ),
  );
  return entries
    .flat()
    .flatMap(([, fields]) =>
      decodeAll(new Map(fields.flatMap((name, i) => (i % 2 === 0 ? [[String(name), fields[i + 1] as Buffer] as const] : [])))),
    );
}
