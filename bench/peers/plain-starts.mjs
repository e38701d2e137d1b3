// Starts workflows that nobody runs, as many at once as our sink does, and says how many have begun.
import { Client, Connection } from "@temporalio/client";

const [total, atOnce] = process.argv.slice(2).map(Number);
const client = new Client({ connection: await Connection.connect({ address: process.env.TEMPORAL_ADDRESS }) });
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

const run = `plain-${Date.now().toString(36)}`;
let next = 0;
let started = 0;
const lane = async () => {
  for (let i = next++; i < total; i = next++) {
    await client.workflow.start("nothing", {
      taskQueue: "nobody",
      workflowId: `${run}/${i}`,
      args: [{ id: `event-${i}` }],
      workflowIdReusePolicy: "REJECT_DUPLICATE",
    });
    if (++started % 20 === 0 || started === total) process.stdout.write(`${JSON.stringify({ started })}\n`);
  }
};
await Promise.all(Array.from({ length: atOnce }, lane));
// Whoever watches takes the time and stops us.
setInterval(() => {}, 60_000);
