// What a good engineer writes by hand: read, parse, insert, ack. Nothing here is of Headrace but the table.
// It settles what it was given before it reads on; it has no leases, no validation, no dead letters and no retries.
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";

const [stream, group, count] = process.argv.slice(2);
const redis = createRedis({ url: process.env.REDIS_URL });
await redis.connect();
const clickhouse = createClickHouse({ url: process.env.CLICKHOUSE_URL });
await clickhouse.ping();
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

const options = { COUNT: Number(count), BLOCK: 500 };
for (let id = "0"; ; ) {
  const reply = await redis.xReadGroup(group, "one", { key: stream, id }, options);
  const entries = reply?.[0]?.messages ?? [];
  if (entries.length === 0) {
    id = ">";
    continue;
  }
  await clickhouse.insert({ table: "login_events", format: "JSONEachRow", values: entries.map(toRow) });
  await redis.xAck(
    stream,
    group,
    entries.map((entry) => entry.id),
  );
}

function toRow({ message }) {
  const { id, type, time, data } = JSON.parse(message.data);
  const row = {
    event_id: id,
    user_id: data.userId,
    outcome: type === "login.succeeded" ? "success" : "failure",
    at: time.replace("T", " ").replace("Z", ""),
    ip: data.ip,
    source: "app-logins",
  };
  // As the application's schema has it: a failed login has neither session nor device nor country.
  if (type === "login.succeeded") {
    row.session_id = data.sessionId;
    row.device = data.device;
    row.country = data.country;
  }
  return row;
}
