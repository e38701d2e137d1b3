// What a good engineer writes by hand: read, parse, insert, ack. Nothing here is of Headrace but the table.
// It settles what it was given before it reads on; it has no leases, no validation, no dead letters and no retries.
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";
import { toRow } from "./row.mjs";

const { STREAM: stream, GROUP: group } = process.env;
const count = Number(process.argv[2]);
const redis = createRedis({ url: process.env.REDIS_URL });
await redis.connect();
const clickhouse = createClickHouse({ url: process.env.CLICKHOUSE_URL });
await clickhouse.ping();
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

const options = { COUNT: count, BLOCK: 500 };
for (let id = "0"; ; ) {
  const reply = await redis.xReadGroup(group, "one", { key: stream, id }, options);
  const entries = reply?.[0]?.messages ?? [];
  if (entries.length === 0) {
    id = ">";
    continue;
  }
  await clickhouse.insert({
    table: "login_events",
    format: "JSONEachRow",
    values: entries.map(({ message }) => toRow(JSON.parse(message.data))),
  });
  await redis.xAck(
    stream,
    group,
    entries.map((entry) => entry.id),
  );
}
