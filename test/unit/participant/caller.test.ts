import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ApplicationFailure } from "@temporalio/common";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { Caller } from "../../../src/participant/caller.ts";
import { type InjectedFault, parseFaults } from "../../../src/participant/faults.ts";
import { defineParticipant, Refusal, verb } from "../../../src/participant/participant.ts";
import { participantHeader } from "../../../src/participant/protocol.ts";
import { type Served, serveParticipants } from "../../../src/participant/serve.ts";
import { MemoryRegistry } from "../../../src/registry/memory.ts";

const request = z.object({ key: z.string(), n: z.int() });

/** A participant that adds up, and remembers who has asked. */
const createAdder = (asked: string[]) =>
  defineParticipant("adder", {
    add: verb(request, async ({ key, n }) => {
      asked.push(key);
      if (n < 0) throw new Refusal("Negative", "only up");
      if (key === "half") return { sum: n, note: "\ud83d" };
      if (n === 13) throw new Error("the secret inside");
      return { sum: n + 1 };
    }),
  });
type Adder = ReturnType<typeof createAdder>;

const token = "what-both-know";
let registry: MemoryRegistry;
let caller: Caller | undefined;
const serving: Served[] = [];

beforeEach(() => {
  registry = new MemoryRegistry(systemClock);
  caller = undefined;
});
afterEach(async () => {
  await caller?.close();
  await Promise.all(serving.splice(0).map((one) => one.close()));
});

async function start(instance: string, faults: readonly InjectedFault[] = []) {
  const asked: string[] = [];
  const served = await serveParticipants({ participants: [createAdder(asked)], faults, token }, { logger: silentLogger });
  serving.push(served);
  await enter(instance, served.port);
  return { asked, served };
}

async function refusal(call: Promise<unknown>): Promise<ApplicationFailure> {
  const error = await call.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApplicationFailure);
  return error as ApplicationFailure;
}

const enter = (instance: string, port: number, state: "running" | "draining" = "running") =>
  registry.announce(
    {
      instance,
      roles: ["participants"],
      host: "here",
      pid: 1,
      version: "1",
      since: new Date().toISOString(),
      addresses: { adder: `http://127.0.0.1:${port}` },
      pipelines: {},
      state,
      cpu: 0,
      rssBytes: 0,
    },
    60_000,
  );

/** Whoever calls knows those that were there before its first call. */
function adder() {
  caller ??= new Caller({ registry, clock: systemClock, logger: silentLogger, token });
  return caller.client<Adder>("adder");
}

describe("a participant", () => {
  it("is found in the registry and answers", async () => {
    await start("one");
    expect(await adder().add({ key: "k", n: 1 })).toEqual({ sum: 2 });
  });

  it("is asked with the trace of the call, where it has one", async () => {
    const seen: unknown[] = [];
    const server = createServer(({ headers }, response) => {
      seen.push(headers["traceparent"]);
      response.setHeader(participantHeader, "adder").end("{}");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    await enter("one", (server.address() as AddressInfo).port);
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    const traces = [traceparent, undefined];
    caller = new Caller({ registry, clock: systemClock, logger: silentLogger, traceparentOfCall: () => traces.shift() });
    for (let n = 0; n < 2; n++) await adder().add({ key: "k", n });
    server.closeAllConnections();
    server.close();
    expect(seen).toEqual([traceparent, undefined]);
  });

  it("refuses for good, with its reason; and what does not fit its schema, before it looks at it", async () => {
    const { asked } = await start("one");
    expect(await refusal(adder().add({ key: "k", n: -1 }))).toMatchObject({
      type: "Negative",
      nonRetryable: true,
      message: "only up",
    });
    expect(await refusal(adder().add({ key: "k", n: 0.5 }))).toMatchObject({ type: "InvalidRequest", nonRetryable: true });
    expect(asked).toEqual(["k"]);
  });

  it("is the same for a request that holds half a character, in a text or the name of a field, and nothing is done", async () => {
    const { asked } = await start("one");
    for (const half of [
      { key: "half \ud83d", n: 1 },
      { key: "k", n: 1, note: [{ "\udc00": "" }] },
    ]) {
      expect(await refusal(adder().add(half))).toMatchObject({
        type: "InvalidRequest",
        nonRetryable: true,
        message: expect.stringMatching(/^half-character: a text of the request holds half a character/),
      });
    }
    expect(asked).toEqual([]);
    expect(await adder().add({ key: "whole 😀", n: 1 })).toEqual({ sum: 2 });
  });

  it("that answers with half a character has not answered: it is asked elsewhere, and what is wrong is said", async () => {
    const { asked } = await start("one");
    await expect(adder().add({ key: "half", n: 1 })).rejects.toMatchObject({
      code: "service.unreachable",
      message: expect.stringContaining("a text of the answer holds half a character"),
    });
    expect(asked).toEqual(["half"]);
  });

  it("is asked at its addresses in turn", async () => {
    const [one, other] = [await start("one"), await start("other")];
    for (let i = 0; i < 4; i++) await adder().add({ key: `k${i}`, n: 1 });
    expect(one.asked).toHaveLength(2);
    expect(other.asked).toHaveLength(2);
  });

  it("is asked at a second address where the first one is gone", async () => {
    const good = await start("good");
    const { served } = await start("gone");
    await served.close();
    for (let i = 0; i < 6; i++) expect(await adder().add({ key: `k${i}`, n: 1 })).toEqual({ sum: 2 });
    expect(good.asked).toHaveLength(6);
  });

  it("that comes later is found, and asked; where it loses its replies the other one answers", async () => {
    await start("good");
    await adder().add({ key: "k", n: 1 });
    const forgetful = await start("forgetful", parseFaults("adder:lose-reply"));
    await vi.waitFor(async () => {
      expect(await adder().add({ key: "l", n: 1 })).toEqual({ sum: 2 });
      expect(forgetful.asked.length).toBeGreaterThan(0);
    });
  });

  it("that fails again and again is left alone for a while", async () => {
    await start("good");
    const bad = await start("bad", parseFaults("adder:lose-reply"));
    for (let i = 0; i < 20; i++) await adder().add({ key: `k${i}`, n: 1 });
    expect(bad.asked).toHaveLength(3);
  });

  it.each([
    ["a refusal as plain JSON", 409, "application/json", { type: "OutOfStock", detail: "sold out" }, {}],
    ["a problem of its own", 409, "application/problem+json", { type: "OutOfStock", detail: "sold out" }, {}],
    ["yes to everything", 200, "application/json", { sum: 0 }, {}],
    [
      "a refusal of another participant",
      409,
      "application/problem+json",
      { type: "Negative" },
      { "headrace-participant": "payments" },
    ],
    ["a page", 422, "text/html", "<html>", {}],
    ["a proxy's refusal in the participant's name", 413, "text/html", "{}", { "headrace-participant": "adder" }],
  ])(
    "is not taken for a stranger on its port that answers %s: that is no answer",
    async (_, status, type, ...[body, headers]: readonly [body: unknown, headers: object]) => {
      const stranger = createServer((__, reply) => {
        reply.writeHead(status, { "content-type": type, ...headers });
        reply.end(typeof body === "string" ? body : JSON.stringify(body));
      }).listen(0, "127.0.0.1");
      await once(stranger, "listening");
      try {
        await enter("gone", (stranger.address() as AddressInfo).port);
        const error = await adder()
          .add({ key: "k", n: 1 })
          .catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ name: "RetryableError", code: "service.unreachable" });
        const good = await start("good");
        await vi.waitFor(async () => {
          for (let i = 0; i < 4; i++) expect(await adder().add({ key: `k${i}`, n: 1 })).toEqual({ sum: 2 });
        });
        expect(good.asked.length).toBeGreaterThanOrEqual(4);
      } finally {
        stranger.closeAllConnections();
        stranger.close();
      }
    },
  );

  it("does not tell the caller what went wrong inside", async () => {
    await start("one");
    const error = (await adder()
      .add({ key: "k", n: 13 })
      .catch((thrown: unknown) => thrown)) as Error;
    expect(error).not.toBeInstanceOf(ApplicationFailure);
    expect(error.message).toBe("'adder' does not answer 'add': 500 adder could not do it");
  });

  it("that nobody has heard of, or that drains, is a fault with a way out: it may come back", async () => {
    const { served } = await start("one");
    await enter("one", served.port, "draining");
    const error = await adder()
      .add({ key: "k", n: 1 })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: "RetryableError",
      message: "'adder' is not alive, as the registry has it",
      hint: expect.stringContaining("--role participants"),
    });
  });

  it("answers about its health, and with problems where there is no such thing", async () => {
    const { served } = await start("one");
    const at = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${served.port}${path}`, init);
    expect(await (await at("/healthz")).json()).toEqual({ ok: true });
    const headers = { "content-type": "application/json", "authorization": `Bearer ${token}` };
    const missing = await at("/adder/divide", { method: "POST", body: "{}", headers });
    expect([missing.status, missing.headers.get("content-type")]).toEqual([
      404,
      expect.stringContaining("application/problem+json"),
    ]);
    const broken = await at("/adder/add", { method: "POST", body: "{", headers });
    expect(broken.status).toBe(400);
    const large = await at("/adder/add", {
      method: "POST",
      body: JSON.stringify({ key: "x".repeat(2_000_000), n: 1 }),
      headers,
    });
    expect(large.status).toBe(413);
  });

  it("does not let in a caller with another token, who is told what to do and goes on trying", async () => {
    const { asked } = await start("one");
    caller = new Caller({ registry, clock: systemClock, logger: silentLogger, token: "of another application" });
    await expect(adder().add({ key: "k", n: 1 })).rejects.toMatchObject({
      name: "RetryableError",
      message: expect.stringMatching(/401 the token is missing or wrong: .*the same HEADRACE_PARTICIPANTS_TOKEN/),
    });
    expect(asked).toEqual([]);
  });
});
