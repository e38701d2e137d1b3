import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { at, holdInsert } from "../../chaos/points.ts";
import { FaultProxy } from "../../chaos/proxy.ts";

let service: Server;
let proxy: FaultProxy;
/** What the service has received, and its ends of the connections. */
let received: string;
let ends: Socket[];

beforeEach(async () => {
  received = "";
  ends = [];
  service = createServer({ allowHalfOpen: true }, (socket) => {
    ends.push(socket);
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("data", (piece) => {
      received += piece;
      socket.write(`HTTP/1.1 200 OK\r\n\r\n${piece}`);
    });
  }).listen(0, "127.0.0.1");
  await once(service, "listening");
  proxy = await FaultProxy.listen((service.address() as { port: number }).port);
});

afterEach(async () => {
  await proxy.close();
  for (const end of ends) end.destroy();
  service.close();
});

/** A client that keeps what it hears, and when it was closed. */
async function client() {
  const socket = connect(proxy.port, "127.0.0.1");
  const state = { socket, heard: "", isClosed: false, pieces: 0 };
  socket.on("error", () => {});
  socket.on("data", (piece) => {
    state.heard += piece;
    state.pieces++;
  });
  socket.on("close", () => {
    state.isClosed = true;
  });
  await once(socket, "connect");
  return state;
}

const insert = "POST /?query=INSERT+INTO+%60landed%60+(a)+FORMAT+Native HTTP/1.1\r\n\r\nrows";
const soon = (look: () => void) => vi.waitFor(look, { timeout: 5_000, interval: 5 });

describe("the fault proxy", () => {
  it("passes everything on while nothing is wrong", async () => {
    const one = await client();
    one.socket.write("hello");
    await soon(() => expect(one.heard).toContain("hello"));
    one.socket.end();
    await soon(() => expect(one.isClosed).toBe(true));
  });

  it("delays, slices and slows down", async () => {
    const one = await client();
    const remove = [
      proxy.add({ kind: "latency", ms: 40, direction: "upstream" }),
      proxy.add({ kind: "slicer", bytes: 4, ms: 1 }),
    ];
    const since = performance.now();
    one.socket.write("abcdefgh");
    await soon(() => expect(received).toBe("abcdefgh"));
    await soon(() => expect(one.heard).toContain("efgh"));
    expect(performance.now() - since).toBeGreaterThan(35);
    for (const off of remove) off();
    proxy.add({ kind: "bandwidth", bytesPerSecond: 1_000, direction: "upstream" });
    const slow = performance.now();
    one.socket.write("x".repeat(100));
    await soon(() => expect(received).toHaveLength(108));
    expect(performance.now() - slow).toBeGreaterThan(90);
  });

  it.for([
    { kind: "reset_peer", ms: 10 },
    { kind: "timeout", ms: 10 },
    { kind: "limit_data", bytes: 3 },
  ] as const)("ends connections by $kind", async (toxic) => {
    const one = await client();
    proxy.add(toxic);
    one.socket.write("hello");
    await soon(() => expect(one.isClosed).toBe(true));
    if (toxic.kind === "timeout") expect(one.heard).toBe("");
  });

  it("tells a close later by slow_close", async () => {
    const one = await client();
    one.socket.write("hello");
    await soon(() => expect(one.heard).toContain("hello"));
    proxy.add({ kind: "slow_close", ms: 60 });
    const since = performance.now();
    ends[0]?.end();
    await soon(() => expect(one.socket.readableEnded).toBe(true));
    expect(performance.now() - since).toBeGreaterThan(50);
  });

  it("keeps a half-open connection dead for ever, and lets new ones in when it is healed", async () => {
    const old = await client();
    await soon(() => expect(ends).toHaveLength(1));
    proxy.halfOpen();
    old.socket.write("into the void");
    const during = await client();
    proxy.heal();
    const after = await client();
    after.socket.write("hello");
    await soon(() => expect(after.heard).toContain("hello"));
    expect(received).toBe("hello");
    expect([old.heard, old.isClosed, during.isClosed]).toEqual(["", false, false]);
  });

  it("cuts everyone off, and lets them in again", async () => {
    const one = await client();
    proxy.cutOff();
    await soon(() => expect(one.isClosed).toBe(true));
    const refused = await client().catch(() => undefined);
    if (refused) await soon(() => expect(refused.isClosed).toBe(true));
    proxy.heal();
    const again = await client();
    again.socket.write("hello");
    await soon(() => expect(again.heard).toContain("hello"));
  });
});

describe("the points of an insert", () => {
  it.for([
    { point: "before-insert", seen: "" },
    { point: "inside-insert", seen: insert.slice(0, Math.ceil(insert.length / 2)) },
    { point: "after-insert", seen: insert },
  ] as const)("$point acts when the service has seen as much as it says, and keeps the answer back", async ({ point, seen }) => {
    const one = await client();
    let before: string | undefined;
    const acted = at({ clickhouse: proxy, redis: proxy }, { point, turn: 2 }, async () => {
      before = received.slice(insert.length);
    });
    one.socket.write(insert);
    await soon(() => expect(one.heard).toContain("rows"));
    one.heard = "";
    one.socket.write(insert);
    await acted;
    await soon(() => expect(received.slice(insert.length)).toBe(seen));
    if (point !== "inside-insert") expect(before).toBe(seen);
    expect(one.heard.includes("rows")).toBe(false);
  });

  it("an insert that is held lands late, though its client has gone", async () => {
    const one = await client();
    const holding = holdInsert(proxy, { turn: 1 });
    one.socket.write(insert);
    const held = await holding;
    one.socket.end();
    await once(one.socket, "finish");
    expect(received).toBe("");
    held.release();
    expect(await held.answered).toBe("HTTP/1.1 200 OK");
    expect(received).toBe(insert);
  });
});
