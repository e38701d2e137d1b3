import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { encryptingCodec } from "../../../src/codec/payload-codec.ts";
import { parsePayloadKeys } from "../../../src/codec/payload-keys.ts";
import { serveCodec } from "../../../src/codec/serve.ts";

const ui = "http://ui.example";
const codec = encryptingCodec(parsePayloadKeys(`one:${randomBytes(32).toString("base64")}`));
const plain = {
  metadata: { encoding: Buffer.from("json/plain").toString("base64") },
  data: Buffer.from('"secret"').toString("base64"),
};

let served: Awaited<ReturnType<typeof serveCodec>> | undefined;
afterEach(() => served?.close());

async function ask(
  path: string,
  init: { readonly headers?: Record<string, string>; readonly body?: unknown; readonly method?: string },
) {
  await served?.close();
  served = await serveCodec({ codec, host: "127.0.0.1", port: 0, origins: [ui], token: "t0ken" });
  const response = await fetch(`http://127.0.0.1:${served.port}${path}`, {
    method: init.method ?? "POST",
    headers: { ...(init.body !== undefined && { "content-type": "application/json" }), ...init.headers },
    ...(init.body !== undefined && { body: JSON.stringify(init.body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text.startsWith("{") ? JSON.parse(text) : undefined };
}
const authorization = "Bearer t0ken";

describe("the codec server", () => {
  it("encodes and decodes for the UI's page, and lets its browser read the answer", async () => {
    const sealed = await ask("/encode", { headers: { authorization, origin: ui }, body: { payloads: [plain] } });
    expect(sealed.status).toBe(200);
    expect(sealed.text).not.toContain(plain.data);
    const opened = await ask("/decode", { headers: { authorization, origin: ui, "x-namespace": "default" }, body: sealed.body });
    expect(opened.body).toEqual({ payloads: [plain] });
    expect(opened.headers.get("access-control-allow-origin")).toBe(ui);
  });

  it("answers the browser's question ahead, without a token, for the UI's page alone", async () => {
    const asked = { "access-control-request-method": "POST", "access-control-request-headers": "authorization,x-namespace" };
    const good = await ask("/decode", { method: "OPTIONS", headers: { origin: ui, ...asked } });
    expect(good.status).toBe(204);
    expect(good.headers.get("access-control-allow-headers")).toContain("authorization");
    const other = await ask("/decode", { method: "OPTIONS", headers: { origin: "http://evil.example", ...asked } });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("refuses without the token, with a wrong one, and for another page", async () => {
    const body = { payloads: [plain] };
    expect((await ask("/decode", { body })).status).toBe(401);
    expect((await ask("/decode", { headers: { authorization: "Bearer t0ke" }, body })).status).toBe(401);
    expect((await ask("/decode", { headers: { authorization, origin: "http://evil.example" }, body })).status).toBe(403);
  });

  it("says of a body that holds no payloads, or one that it cannot decrypt, what is wrong", async () => {
    for (const body of [{}, { payloads: "x" }, { payloads: [{ data: 1 }] }, { payloads: [{ metadata: { encoding: 2 } }] }, []]) {
      expect((await ask("/decode", { headers: { authorization }, body })).status).toBe(400);
    }
    const metadata = {
      encoding: Buffer.from("binary/encrypted").toString("base64"),
      "encryption-key-id": Buffer.from("gone").toString("base64"),
    };
    const unknown = await ask("/decode", { headers: { authorization }, body: { payloads: [{ metadata, data: "" }] } });
    expect(unknown).toMatchObject({ status: 422, body: { message: expect.stringContaining("the key 'gone'") } });
  });
});
