// What one writes in an afternoon: read what is new, acknowledge, insert (or insert, acknowledge). It never looks at what is pending.
// Nothing here is of Headrace but the table: the suite must be able to see that this loses events.
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";

const [stream, group, order] = process.argv.slice(2);
const redis = createRedis({ url: process.env.REDIS_URL });
redis.on("error", () => {});
await redis.connect();
const clickhouse = createClickHouse({ url: process.env.CLICKHOUSE_URL, database: process.env.CLICKHOUSE_DATABASE });
let isStopping = false;
process.on("SIGTERM", () => {
  isStopping = true;
});
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

while (!isStopping) {
  const reply = await redis.xReadGroup(group, "one", { key: stream, id: ">" }, { COUNT: 200, BLOCK: 200 });
  const entries = reply?.[0]?.messages ?? [];
  if (entries.length === 0) continue;
  const acknowledge = () =>
    redis.xAck(
      stream,
      group,
      entries.map(({ id }) => id),
    );
  if (order === "ack-first") await acknowledge();
  await clickhouse.insert({
    table: "landed",
    format: "JSONEachRow",
    values: entries.map(({ message }) => JSON.parse(message.data)),
  });
  if (order === "ack-last") await acknowledge();
}
redis.destroy();
await clickhouse.close();
