// A worker of the reference pipeline whose sink confirms at once: what is left is all that the worker does itself.
// It begins when it is told to with SIGUSR2. With `heard` behind its name and pipeline, all that its telemetry tells is counted.
import { once } from "node:events";
import { openRedisBus } from "../../dist/bus/redis/bus.js";
import { loadApp } from "../../dist/cli/load-app.js";
import { systemClock } from "../../dist/core/clock.js";
import { silentLogger } from "../../dist/core/log.js";
import { runWorker } from "../../dist/engine/worker.js";
import { noTelemetry } from "../../dist/telemetry/port.js";
import { shielded } from "../../dist/telemetry/shielded.js";

const [instance, name, heard] = process.argv.slice(2);
const { pipelines } = await loadApp(process.cwd());
const bus = await openRedisBus({ url: process.env.REDIS_URL, logger: silentLogger });
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
const begin = once(process, "SIGUSR2");
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
await begin;

const told = {};
const count = (member) => (report) => {
  told[member] = (told[member] ?? 0) + (report.events ?? 1);
};
const members = ["read", "processed", "confirmed", "committed", "lease", "guard", "retry", "deadLetter", "traced"];
const telemetry = heard ? Object.fromEntries(members.map((member) => [member, count(member)])) : noTelemetry;

const sink = { write: async () => ({ rejected: [] }), inFlightRows: 0, close: async () => {} };
await runWorker(
  { instance, pipelines: pipelines.filter((pipeline) => pipeline.name === name) },
  { bus, clock: systemClock, logger: silentLogger, sinkFor: () => sink, telemetry: shielded(telemetry, silentLogger) },
  stop.signal,
);
await bus.close();
