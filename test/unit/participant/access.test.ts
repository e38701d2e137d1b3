import { request } from "node:http";
import { hostname, networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { silentLogger } from "../../../src/core/log.ts";
import { defineParticipant, verb } from "../../../src/participant/participant.ts";
import { type Served, serveParticipants } from "../../../src/participant/serve.ts";

let served: Served;
let captured = 0;
const bank = defineParticipant("payments", {
  capture: verb(z.object({ key: z.string() }), async () => {
    captured++;
  }),
});

beforeAll(async () => {
  served = await serveParticipants(
    { participants: [bank], token: "the-token", hosts: [hostname(), "bank.example"] },
    { logger: silentLogger },
  );
});
afterAll(() => served.close());

interface Call {
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly method?: string;
}

/** fetch would write Host and Origin itself. */
const call = ({ host = `127.0.0.1:${served.port}`, headers = {}, path = "/payments/capture", method = "POST" }: Call) =>
  new Promise<{ status: number; type: string; body: { type?: string }; participant: unknown }>((resolve, reject) => {
    const all = { host, "content-type": "application/json", "authorization": "Bearer the-token", ...headers };
    const sent = request({ host: "127.0.0.1", port: served.port, path, method, headers: all }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => {
        text += chunk;
      });
      answer.on("end", () =>
        resolve({
          status: answer.statusCode ?? 0,
          type: String(answer.headers["content-type"]),
          body: text === "" ? {} : (JSON.parse(text) ?? {}),
          participant: answer.headers["headrace-participant"],
        }),
      );
    });
    sent.on("error", reject);
    sent.end(method === "POST" ? '{"key":"checkout/1/payment"}' : undefined);
  });

const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === "IPv4" && !one.internal)?.address;

describe("the door of participants", () => {
  it.each([
    ["localhost"],
    ["LOCALHOST:1"],
    ["127.0.0.1"],
    ["[::1]:80"],
    [hostname()],
    ["bank.example"],
    ["bank.example.:8080"],
    ...(ownAddress ? [[ownAddress]] : []),
  ])("lets in a caller that knows the token and calls us %s", async (host) => {
    const before = captured;
    expect((await call({ host })).status).toBe(200);
    expect(captured).toBe(before + 1);
  });

  it.each([
    ["ForeignHost", 403, { host: "evil.example" }],
    ["ForeignHost", 403, { host: "evil.example:39431", headers: { origin: "http://evil.example:39431" } }],
    ["ForeignHost", 403, { host: "bank.example.evil.example" }],
    ["ForeignHost", 403, { host: "203.0.113.7" }],
    ["ForeignHost", 403, { host: "localhost/@evil.example" }],
    ["ForeignOrigin", 403, { headers: { origin: "http://evil.example" } }],
    ["ForeignOrigin", 403, { headers: { origin: "null" } }],
    ["ForeignOrigin", 403, { headers: { origin: "http://127.0.0.1:1" } }],
    ["Unauthorized", 401, { headers: { authorization: "" } }],
    ["Unauthorized", 401, { headers: { authorization: "Bearer the-toke" } }],
    ["Unauthorized", 401, { headers: { authorization: "Bearer the-token2" } }],
    ["Unauthorized", 401, { headers: { authorization: "the-token" } }],
    ["Unauthorized", 401, { path: "/nothing/there", headers: { authorization: "" } }],
  ] as const)("turns away as %s, %i: %o", async (type, status, given: Call) => {
    const before = captured;
    const answer = await call(given);
    expect(answer).toMatchObject({ status, type: expect.stringContaining("application/problem+json"), body: { type, status } });
    // A caller must know whose refusal it is.
    if (given.path === undefined) expect(answer.participant).toBe("payments");
    expect(captured).toBe(before);
  });

  it("tells without a token that it is well, and not under a foreign name", async () => {
    const health = { path: "/healthz", method: "GET", headers: { authorization: "" } };
    expect((await call(health)).status).toBe(200);
    expect((await call({ ...health, host: "evil.example" })).status).toBe(403);
  });
});
