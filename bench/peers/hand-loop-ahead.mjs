// The best loop that a good engineer writes by hand: while one batch is being inserted, the next is read and decoded.
// Like hand-loop.mjs it has no leases, no validation, no dead letters and no retries; what it had in hand comes again after a crash.
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";
import { toRow } from "./row.mjs";

const { STREAM: stream, GROUP: group } = process.env;
const count = Number(process.argv[2]);
const redis = createRedis({ url: process.env.REDIS_URL });
// A read that blocks must not hold up the acks.
const reader = redis.duplicate();
await Promise.all([redis.connect(), reader.connect()]);
const clickhouse = createClickHouse({ url: process.env.CLICKHOUSE_URL });
await clickhouse.ping();
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

/** The newest entry that was read of what an earlier life has left; `>` once that is settled. */
let from = "0";
let inserting = Promise.resolve();
for (;;) {
  const reply = await reader.xReadGroup(group, "one", { key: stream, id: from }, { COUNT: count, BLOCK: 500 });
  const entries = reply?.[0]?.messages ?? [];
  if (entries.length === 0) {
    from = ">";
    continue;
  }
  if (from !== ">") from = entries.at(-1).id;
  const values = entries.map(({ message }) => toRow(JSON.parse(message.data)));
  const ids = entries.map(({ id }) => id);
  await inserting;
  inserting = settle(values, ids);
  // Whoever awaits it next throws it.
  inserting.catch(() => {});
}

async function settle(values, ids) {
  await clickhouse.insert({ table: "login_events", format: "JSONEachRow", values });
  await redis.xAck(stream, group, ids);
}
