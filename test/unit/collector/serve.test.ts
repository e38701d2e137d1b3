import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { Producer } from "../../../src/bus/producer.ts";
import type { Answer } from "../../../src/collector/answer.ts";
import { BodyMemory } from "../../../src/collector/body-memory.ts";
import { Door } from "../../../src/collector/door.ts";
import { type DoorLoad, OutwardBreaker } from "../../../src/collector/pressure.ts";
import { senderLimit } from "../../../src/collector/sender-limit.ts";
import { serveCollector } from "../../../src/collector/serve.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { createMemoryBuckets } from "../../../src/limit/memory.ts";
import { type DoorPlan, defaultDoor } from "../../../src/plan/door.ts";
import { interpose } from "../../support/interpose.ts";
import { things } from "../../support/things.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const thing = (n: number) => ({ type: "thing.happened", data: { key: "k", n } });
const path = "/v1/streams/things/events";
const plain = { "content-type": "application/json" };

/** A collector before a log in memory. `hold` keeps the log from answering until it resolves. */
async function setUp(plan: Partial<DoorPlan> = {}) {
  const inner = new MemoryBus(systemClock);
  let held: Promise<void> | undefined;
  const bus = interpose(inner, async (call, method) => {
    if (method === "append") await held;
    return call();
  });
  const stream = things(2).plan;
  const producer = new Producer({ stream, producer: "door", lingerMs: 1 }, { bus, clock: systemClock, logger: silentLogger });
  const limit = senderLimit(stream.name, plan as DoorPlan, createMemoryBuckets(systemClock));
  const door = new Door(stream, { ...defaultDoor, ...plan }, { producer, clock: systemClock, limit });
  let load: Partial<DoorLoad> = {};
  const bodies = new BodyMemory(1_000_000);
  const breaker = new OutwardBreaker({
    clock: systemClock,
    logger: silentLogger,
    load: () => ({ ...{ appends: 0, buffer: 0, bodies: 0, memory: 0, lag: 0 }, ...load }),
  });
  const served = await serveCollector(
    { doors: new Map([[stream.name, door]]), breaker, bodies, host: "127.0.0.1", port: 0, hosts: ["door.example"] },
    { logger: silentLogger },
  );
  closing.push(() => served.close());
  const url = `http://127.0.0.1:${served.port}${path}`;
  const post = (body: unknown, headers: Readonly<Record<string, string>> = plain, method = "POST") =>
    fetch(url, { method, headers, ...(body !== undefined && { body: body as never }) });
  const hold = () => {
    let go = () => {};
    held = new Promise((resolve) => {
      go = resolve;
    });
    return go;
  };
  const under = (trouble: Partial<DoorLoad>) => {
    load = trouble;
  };
  return { ...served, url, post, hold, bodies, under };
}

/** What a whole request is refused with. */
async function refusal(response: Response) {
  expect(response.headers.get("content-type")).toContain("application/problem+json");
  const problem = (await response.json()) as { readonly type: string; readonly status: number; readonly detail: string };
  expect(problem.status).toBe(response.status);
  return `${problem.status} ${problem.type}`;
}

/** Sends bytes as they are, and gives back all that is answered until the connection is closed. */
async function raw(port: number, pieces: readonly (string | number)[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let said = "";
  socket.on("data", (piece) => {
    said += piece;
  });
  socket.on("error", () => {});
  const closed = once(socket, "close");
  for (const piece of pieces) {
    if (typeof piece === "number") await Promise.race([sleep(piece), closed]);
    else socket.write(piece);
  }
  await Promise.race([closed, sleep(8_000)]);
  socket.destroy();
  return said;
}

describe("a collector", () => {
  it("answers with JSON, and says what 'stored' stands for", async () => {
    const { post } = await setUp();
    const response = await post(JSON.stringify([thing(1), { type: "nothing" }]));
    expect(response.status).toBe(200);
    expect(response.headers.get("retry-after")).toBeNull();
    expect((await response.json()) as Answer).toMatchObject({
      stored: 1,
      duplicate: 0,
      refused: 1,
      retry: 0,
      durability: "memory",
    });
  });

  it.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
  ])("inflates %s", async (encoding, deflate) => {
    const { post } = await setUp();
    const response = await post(deflate(JSON.stringify(thing(1))), { ...plain, "content-encoding": encoding });
    expect(await response.json()).toMatchObject({ stored: 1 });
  });

  it("refuses what is larger than its stream takes, on the wire and inflated", async () => {
    const { post, port } = await setUp({ maxBytes: 1_000, maxInflatedBytes: 100_000 });
    expect(await refusal(await post(JSON.stringify({ ...thing(1), pad: "x".repeat(1_000) })))).toBe("413 headrace:too-large");
    const bomb = gzipSync(Buffer.alloc(200_000, " "));
    expect(bomb.length).toBeLessThan(1_000);
    expect(await refusal(await post(bomb, { ...plain, "content-encoding": "gzip" }))).toBe("413 headrace:too-large");
    // One that does not say how long it is.
    const chunk = `200\r\n${"x".repeat(512)}\r\n`;
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    expect(await raw(port, [head, chunk, chunk, chunk])).toMatch(/^HTTP\/1.1 413 /);
  });

  it("refuses bodies that are not in their encoding, and encodings and media types that it does not know", async () => {
    const { post } = await setUp();
    expect(await refusal(await post("{}", { ...plain, "content-encoding": "gzip" }))).toBe("400 headrace:malformed");
    const half = gzipSync(JSON.stringify(thing(1))).subarray(0, 20);
    expect(await refusal(await post(half, { ...plain, "content-encoding": "gzip" }))).toBe("400 headrace:malformed");
    expect(await refusal(await post("{}", { ...plain, "content-encoding": "lzw" }))).toBe("415 headrace:unsupported");
    expect(await refusal(await post("{}", { "content-type": "application/xml" }))).toBe("415 headrace:unsupported");
    expect(await refusal(await post(gzipSync("{}"), { "content-type": "" }))).toBe("415 headrace:unsupported");
  });

  it("refuses places and methods that there are not", async () => {
    const { url, post } = await setUp();
    expect(await refusal(await fetch(url.replace("things", "nothings"), { method: "POST" }))).toBe("404 headrace:not-found");
    expect(await refusal(await fetch(url.replace("/v1", "")))).toBe("404 headrace:not-found");
    expect(await refusal(await post(undefined, {}, "PUT"))).toBe("404 headrace:not-found");
  });

  it("gives up a body whose next piece does not come", async () => {
    const { port } = await setUp();
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    expect(await raw(port, [head, "{", 6_000])).toMatch(/^HTTP\/1.1 408 .*"headrace:too-slow"/s);
  });

  it.each([
    ["headers that do not end", 408, "too-slow", [`POST ${path} HTTP/1.1\r\nhost: localhost\r\n`, 8_000]],
    ["headers beyond 16 kB", 431, "headers-too-large", [`POST ${path} HTTP/1.1\r\nx: ${"y".repeat(17_000)}\r\n\r\n`]],
    ["two lengths", 400, "malformed", [`POST ${path} HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`]],
    ["what is no HTTP", 400, "malformed", ["\x16\x03\x01 hello\r\n\r\n"]],
  ] as const)("refuses %s with a problem too", async (_, status, type, pieces) => {
    const { port } = await setUp();
    const answer = await raw(port, pieces);
    expect(answer.split("\r\n")[0]).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain("application/problem+json");
    expect(answer).toContain(`"headrace:${type}"`);
  });

  it("takes calls under its own names alone: a page may point a name of its own at this machine", async () => {
    const { port } = await setUp();
    const asked = async (host: string) => {
      const call = request({ port, path, method: "POST", headers: { ...plain, host } }).end(JSON.stringify(thing(1)));
      const [response] = await once(call, "response");
      response.resume();
      return response.statusCode;
    };
    expect(await asked("evil.example")).toBe(403);
    expect(await asked("door.example")).toBe(200);
    expect(await asked(`localhost:${port}`)).toBe(200);
  });

  it("lets pages send whose origin the stream names, and no others", async () => {
    const { post } = await setUp({ origins: ["https://shop.example"] });
    const from = (origin: string) => ({ ...plain, origin });
    expect(await refusal(await post(JSON.stringify(thing(1)), from("https://evil.example")))).toBe("403 headrace:forbidden");
    expect(await refusal(await post(undefined, from("https://evil.example"), "OPTIONS"))).toBe("403 headrace:forbidden");
    const asked = await post(undefined, from("https://shop.example"), "OPTIONS");
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([204, "https://shop.example"]);
    const sent = await post(JSON.stringify(thing(1)), from("https://shop.example"));
    expect([sent.status, sent.headers.get("access-control-allow-origin")]).toEqual([200, "https://shop.example"]);
    expect(sent.headers.get("vary")).toBe("origin");
  });

  it("answers later under trouble, then with retry, then refuses before it has read the body, and opens by a probe", async () => {
    const { post, port, under } = await setUp();
    const event = JSON.stringify(thing(1));
    under({ memory: 0.9 });
    const since = performance.now();
    expect(await (await post(event)).json()).toMatchObject({ stored: 1 });
    expect(performance.now() - since).toBeGreaterThan(390);
    under({ memory: 1 });
    const again = await post(JSON.stringify([thing(1), { type: "nothing" }]));
    expect(again.headers.get("retry-after")).toBe("1");
    expect(((await again.json()) as Answer).results).toMatchObject([
      { i: 0, result: "retry", reason: "overloaded" },
      { i: 1, result: "refused" },
    ]);
    await sleep(1_050);
    const shut = await post(event);
    expect(shut.headers.get("retry-after")).toBe("1");
    expect(await refusal(shut)).toBe("503 headrace:overloaded");
    // The answer comes although the body never does.
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    const asked = performance.now();
    expect(await raw(port, [head, 500])).toMatch(/^HTTP\/1.1 503 /);
    expect(performance.now() - asked).toBeLessThan(9_000);
    under({});
    await sleep(1_050);
    expect(await (await post(event)).json()).toMatchObject({ stored: 1 });
    expect(await (await post(event)).json()).toMatchObject({ stored: 1 });
  });

  it("takes so many events of an address, and says how many are left and when there are more", async () => {
    const { post } = await setUp({ rateLimit: { perSecond: 0.5, burst: 5 } });
    const send = (count: number) => post(JSON.stringify(Array.from({ length: count }, (_, n) => thing(n))));
    const first = await send(3);
    expect(await first.json()).toMatchObject({ stored: 3, retry: 0 });
    expect(first.headers.get("ratelimit")).toBe('"events";r=2;t=1');
    expect(first.headers.get("ratelimit-policy")).toBe('"events";q=5;w=10');
    const second = await send(3);
    expect(((await second.json()) as Answer).results.map((one) => ("reason" in one ? one.reason : one.result))).toEqual([
      "stored",
      "stored",
      "rate-limited",
    ]);
    expect(second.headers.get("retry-after")).toBe("2");
    const third = await send(1);
    expect(third.headers.get("retry-after")).toBe("2");
    expect(await refusal(third)).toBe("429 headrace:rate-limited");
  });

  it("counts what requests hold in memory until they are answered", async () => {
    const { post, hold, bodies } = await setUp();
    const go = hold();
    const body = JSON.stringify(thing(1));
    const answer = post(gzipSync(body), { ...plain, "content-encoding": "gzip" });
    await vi.waitFor(() => expect(bodies.share).toBeGreaterThan(0));
    expect(bodies.share * 1_000_000).toBeCloseTo(body.length + gzipSync(body).length, 3);
    go();
    await (await answer).json();
    expect(bodies.share).toBe(0);
    // Also where it is refused.
    await (await post("x".repeat(2_000_000))).json();
    expect(bodies.share).toBe(0);
  });

  it("answers what is under way when it stops, and sends what comes then elsewhere", async () => {
    const { post, hold, close } = await setUp();
    const go = hold();
    const first = post(JSON.stringify(thing(1)));
    await sleep(200);
    const closed = close();
    const late = await post(JSON.stringify(thing(2)));
    expect(late.headers.get("retry-after")).toBe("1");
    expect(await refusal(late)).toBe("503 headrace:overloaded");
    go();
    expect(await (await first).json()).toMatchObject({ stored: 1 });
    await closed;
    await expect(post(JSON.stringify(thing(3)))).rejects.toThrow("fetch failed");
  });
});
