// Sends logins at a rate: event k is due at k / rate, whatever has become of those before, and its id carries k.
// send.mjs RATE EVENTS   into the stream $STREAM, or as jobs of BullMQ into the queue $QUEUE
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";

const [rate, events] = process.argv.slice(2).map(Number);
const { STREAM: stream, QUEUE: queue } = process.env;
const countries = ["DE", "US", "CN", "FR"];
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const now = () => performance.timeOrigin + performance.now();
const send = queue ? openQueue() : await openStream();
process.on("SIGTERM", () => process.exit(0));

const dueAt = now() + 500;
print({ dueAt });
let lateMs = 0;
const underWay = new Set();
for (let k = 0; k < events; ) {
  const due = Math.min(events, Math.floor(((now() - dueAt) * rate) / 1_000) + 1);
  if (due > k) {
    lateMs = Math.max(lateMs, now() - dueAt - (k * 1_000) / rate);
    const sending = send(Array.from({ length: due - k }, (_, i) => login(k + i)));
    underWay.add(sending);
    sending.finally(() => underWay.delete(sending));
    k = due;
  }
  await sleep(1);
}
await Promise.all(underWay);
print({ sent: events, lateMs });
// Whoever watches stops us: a connection keeps us until then.

async function openStream() {
  // What has to wait since Redis is busy is late, and counts as such; it must not be given up.
  const redis = createClient({ url: process.env.REDIS_URL, commandOptions: { timeout: 0 } });
  await redis.connect();
  return (logins) => Promise.all(logins.map((event) => redis.xAdd(stream, "*", { data: JSON.stringify(event) })));
}

function openQueue() {
  const { Queue } = createRequire(process.env.BULLMQ)("bullmq");
  const { hostname: host, port, password } = new URL(process.env.REDIS_URL);
  const jobs = new Queue(queue, { connection: { host, port: Number(port), password } });
  return (logins) => jobs.addBulk(logins.map((data) => ({ name: "login", data, opts: { removeOnComplete: true } })));
}

function login(k) {
  return {
    id: `00000000-0000-4000-8000-${String(k).padStart(12, "0")}`,
    type: k % 5 === 0 ? "login.failed" : "login.succeeded",
    time: new Date(dueAt + (k * 1_000) / rate).toISOString(),
    data: {
      userId: `user-${(k * 7_919) % 20_000}`,
      ip: `203.0.${k % 250}.${k % 200}`,
      device: "firefox-linux",
      country: countries[k % countries.length],
      sessionId: `sess-${k}`,
    },
  };
}
