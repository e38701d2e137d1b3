// Reads entries through a group and acks them, all streams at once on one connection, as raw bytes.
import { createClient, RESP_TYPES } from "redis";

const [group, count, ...streams] = process.argv.slice(2);
const redis = createClient({
  url: process.env.REDIS_URL,
  RESP: 2,
  commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
});
await redis.connect();
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
await Promise.all(streams.map(drain));
// Whoever watches takes the time and stops us.
setInterval(() => {}, 60_000);

async function drain(stream) {
  for (;;) {
    const reply = await redis.sendCommand(["XREADGROUP", "GROUP", group, "one", "COUNT", count, "STREAMS", stream, ">"]);
    if (reply === null) return;
    await redis.sendCommand(["XACK", stream, group, ...reply[0][1].map(([id]) => id)]);
  }
}
