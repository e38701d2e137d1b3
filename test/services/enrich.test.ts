import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { deployProject } from "../support/deployed-project.ts";
import { type Headrace, headrace, startHeadrace } from "../support/headrace.ts";
import type { Project } from "../support/project.ts";

const limits = { maxEntries: 8, concurrency: 4, timeoutMs: 400 };

/** Asks a directory in which room a sensor is. */
const application = `
  import { c, clickhouse, defineApp, defineEvent, defineStream, defineTable, pipeline, RetryableError } from "headrace";
  import { z } from "zod";

  const measured = defineEvent("sensor.measured", z.object({ n: z.int(), sensor: z.string() }), { key: ({ n }) => String(n) });
  const sensors = defineStream("sensors", { events: [measured], partitions: 4 });
  const readings = defineTable("readings", {
    columns: { event_id: c.uuid(), n: c.int32(), sensor: c.string(), room: c.string() },
    orderBy: ["event_id"],
  });
  const away = (cause) => {
    throw new RetryableError("service.unreachable", "the directory does not answer", { cause });
  };
  const look = async (sensor, { signal }) => {
    const answer = await fetch(process.env.DIRECTORY + "/" + sensor, { signal }).catch(away);
    if (answer.status >= 500) away(answer.status);
    if (answer.status === 404) throw new Error("no such sensor");
    return await answer.text().catch(away);
  };
  export const app = defineApp({
    pipelines: [
      pipeline("placed")
        .from(sensors)
        .enrich(
          "room",
          { key: ({ data }) => data.sensor, look, combine: ({ id, data }, room) => ({ event_id: id, ...data, room }), maxEntries: ${limits.maxEntries} },
          { retry: { attempts: 2, initialMs: 10, maxMs: 50 }, concurrency: ${limits.concurrency}, timeoutMs: ${limits.timeoutMs} },
        )
        .to(clickhouse(readings, { profile: "low-latency" }), (row) => row),
    ],
  });
`;

/** What is asked. `silent`: it takes calls and says nothing. */
class Directory {
  mode: "answers" | "refuses" | "silent" = "answers";
  asked: string[] = [];
  /** Calls that were given up before they were answered. */
  givenUp = 0;
  mostOpen = 0;
  port = 0;
  readonly #open = new Set<ServerResponse>();
  #server: Server | undefined;

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      const sensor = (request.url ?? "").slice(1);
      this.asked.push(sensor);
      this.#open.add(response);
      this.mostOpen = Math.max(this.mostOpen, this.#open.size);
      response.once("close", () => {
        this.#open.delete(response);
        if (!response.writableEnded) this.givenUp++;
      });
      if (this.mode === "silent") return;
      response.writeHead(this.mode === "refuses" ? 503 : sensor.startsWith("lost") ? 404 : 200).end(`room of ${sensor}`);
    });
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** As when its machine is switched off. */
  async leave(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    this.#server?.closeAllConnections();
    await closed;
  }
}

const directory = new Directory();
let project: Project;
let env: Record<string, string>;
let client: ClickHouse;
const workers: Headrace[] = [];
/** Every sensor that was sent, by the number of its event. */
const sent = new Map<number, string>();

beforeAll(async () => {
  await directory.listen();
  ({ project, env } = await deployProject(application, { DIRECTORY: `http://127.0.0.1:${directory.port}` }));
  client = createClickHouse({ url: env["CLICKHOUSE_URL"] as string, database: env["CLICKHOUSE_DATABASE"] as string });
  await startWorker();
}, 120_000);

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await client.close();
  await directory.leave();
  await project.remove();
}, 60_000);

async function startWorker(): Promise<Headrace> {
  const worker = await startHeadrace(["start", "--lease", "2s", "--json"], { env, cwd: project.path });
  workers.push(worker);
  return worker;
}

async function send(sensors: readonly string[]): Promise<void> {
  const lines = sensors.map((sensor) => {
    const n = sent.size;
    sent.set(n, sensor);
    return JSON.stringify({ type: "sensor.measured", data: { n, sensor } });
  });
  await headrace(["send", "sensors"], { env, cwd: project.path, input: `${lines.join("\n")}\n` });
}

/** What is there, one row an event: by number, sensor and room. */
const rows = () =>
  client.query<{ n: number; sensor: string; room: string }>("SELECT n, sensor, room FROM readings FINAL ORDER BY n");

/** Until all that can be answered is there. */
async function landed(isMeant: (sensor: string) => boolean = () => true): Promise<void> {
  const wanted = [...sent]
    .filter(([, sensor]) => !sensor.startsWith("lost") && isMeant(sensor))
    .map(([n, sensor]) => ({ n, sensor, room: `room of ${sensor}` }));
  const look = async () => expect((await rows()).filter(({ sensor }) => isMeant(sensor))).toEqual(wanted);
  await vi.waitFor(look, { timeout: 30_000, interval: 50 });
}

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const times = <Value>(count: number, values: readonly Value[]) => Array.from({ length: count }, () => values).flat();
const askedOf = (prefix: string) => directory.asked.filter((sensor) => sensor.startsWith(prefix)).length;

it("what is kept is bounded: few keys are asked for once, many again", async () => {
  await send(times(40, named("hot", 5)));
  await landed();
  expect(askedOf("hot")).toBe(5);
  await send(named("cold", 40));
  await landed();
  await send(named("cold", 40));
  await landed();
  expect(askedOf("cold")).toBeGreaterThanOrEqual(80 - limits.maxEntries);
}, 60_000);

it("while the asked system is away, what is known goes on, and the rest lands once it is back", async () => {
  await send(named("hot", 5));
  await landed();
  await directory.leave();
  await send([...named("away", 20), ...times(4, named("hot", 5))]);
  await landed((sensor) => sensor.startsWith("hot"));
  expect((await rows()).filter(({ sensor }) => sensor.startsWith("away"))).toEqual([]);
  await directory.listen();
  await landed();
}, 60_000);

it("what it refuses is asked again until it answers, and what can never be answered is set aside", async () => {
  directory.mode = "refuses";
  await send([...named("busy", 20), ...named("lost", 3)]);
  await vi.waitFor(() => expect(askedOf("busy")).toBeGreaterThan(40), { timeout: 30_000, interval: 20 });
  directory.mode = "answers";
  await landed();
  await vi.waitFor(async () => expect(await letters()).toEqual(times(3, ["stage-failed Error: no such sensor"])), {
    timeout: 30_000,
    interval: 100,
  });
}, 60_000);

it("calls that take too long are given up, and a worker that is killed amid them is replaced", async () => {
  directory.mode = "silent";
  const givenUp = directory.givenUp;
  await send(named("slow", 60));
  await vi.waitFor(() => expect(directory.givenUp).toBeGreaterThan(givenUp + limits.concurrency), {
    timeout: 30_000,
    interval: 20,
  });
  // One that was given up may still be closing while the next of its slot is open.
  expect(directory.mostOpen).toBeLessThanOrEqual(2 * limits.concurrency);
  const open = askedOf("slow");
  await vi.waitFor(() => expect(askedOf("slow")).toBeGreaterThan(open), { timeout: 30_000, interval: 5 });
  await workers[0]?.kill();
  await startWorker();
  directory.mode = "answers";
  await landed();
}, 60_000);

it("and in the end each event has one outcome, and one row or one dead letter", async () => {
  const lost = [...sent.values()].filter((sensor) => sensor.startsWith("lost")).length;
  const { stdout } = await headrace(["audit", "--json"], { env, cwd: project.path });
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ pipeline: "placed", read: sent.size, delivered: sent.size - lost, deadLettered: { "stage-failed": lost } },
    ...{ inFlight: 0, lost: 0, vanished: 0, balanced: true },
  });
});

async function letters(): Promise<readonly string[]> {
  const { stdout } = await headrace(["dlq", "show", "--json"], { env, cwd: project.path });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
    .map(({ reason, error }) => `${reason} ${error}`);
}
