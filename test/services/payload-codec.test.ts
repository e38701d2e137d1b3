import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openShopNamespace, type ShopNamespace } from "../support/shop-namespace.ts";

let shop: ShopNamespace;
const key = () => randomBytes(32).toString("base64");
const [one, two, other] = [key(), key(), key()];
const underOne = { HEADRACE_PAYLOAD_KEYS: `one:${one}` };
const underTwo = { HEADRACE_PAYLOAD_KEYS: `two:${two},one:${one}` };
const patient = { timeout: 60_000, interval: 200 };

beforeAll(async () => {
  shop = await openShopNamespace();
  await Promise.all([
    start("worker", underOne, "--pipelines", "carts,orders"),
    shop.operator.start(["start", "--role", "participants", "--json"]),
  ]);
}, 120_000);
afterAll(() => shop.close(), 60_000);

const start = (role: string, keys: Readonly<Record<string, string>>, ...more: readonly string[]) =>
  shop.operator.start(["start", "--role", role, "--json", ...more], { env: { ...shop.env, ...keys } });
const handleOf = (workflowId: string) => shop.temporal.workflow.getHandle(workflowId);
const ended = (workflowId: string) =>
  vi.waitFor(async () => {
    const { status } = await handleOf(workflowId).describe();
    expect(status.name).not.toBe("RUNNING");
    return status.name;
  }, patient);

/** Everything that Temporal keeps of a workflow, as text: its history, and what describes it. */
async function storedOf(workflowId: string): Promise<{ readonly text: string; readonly keyIds: ReadonlySet<string> }> {
  const parts: string[] = [];
  const keyIds = new Set<string>();
  const walk = (value: unknown, name = ""): void => {
    if (value instanceof Uint8Array) {
      const text = Buffer.from(value).toString("latin1");
      parts.push(text);
      if (name === "encryption-key-id") keyIds.add(text);
    } else if (typeof value === "string") parts.push(value);
    else if (typeof value === "object" && value !== null) for (const [key, part] of Object.entries(value)) walk(part, key);
  };
  walk(await handleOf(workflowId).fetchHistory());
  walk((await handleOf(workflowId).describe()).raw);
  return { text: parts.join("\n"), keyIds };
}

describe("with keys for payloads", () => {
  it("a checkout sells, another is undone, and nothing that Temporal stores tells the token, the user or why", async () => {
    const worker = await start("saga", underOne);
    const good = await shop.press("tok_good");
    const declined = await shop.press("tok_declined");
    expect(await ended(good.workflowId)).toBe("COMPLETED");
    expect(await ended(declined.workflowId)).toBe("FAILED");

    for (const press of [good, declined]) {
      const { text, keyIds } = await storedOf(press.workflowId);
      expect([...keyIds]).toEqual(["one"]);
      for (const secret of ["tok_", press.userId, "declined", "SagaUndone: "]) expect(text).not.toContain(secret);
      // What is looked for can be found: ids are plain.
      expect(text).toContain(press.checkoutId);
    }
    // Whoever knows no keys learns that it failed, and no more.
    const failure = await handleOf(declined.workflowId)
      .result()
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(inspect(failure)).not.toContain("declined");
    await worker.stop();
  }, 120_000);

  it("a saga that was started under the old key is finished by a worker whose first key is the new one", async () => {
    const { workflowId } = await shop.press("tok_good");
    await vi.waitFor(() => handleOf(workflowId).describe(), patient);
    const worker = await start("saga", underTwo);
    expect(await ended(workflowId)).toBe("COMPLETED");
    expect((await storedOf(workflowId)).keyIds).toEqual(new Set(["one", "two"]));
    await worker.stop();
  }, 120_000);

  it("a worker with another key does nothing, and says so; with the right one the saga completes", async () => {
    const { workflowId } = await shop.press("tok_good");
    await vi.waitFor(() => handleOf(workflowId).describe(), patient);
    for (const [keys, sentence] of [
      [`other:${other}`, "is encrypted with the key 'one', which HEADRACE_PAYLOAD_KEYS lacks"],
      [`one:${other}`, "cannot be decrypted with the key 'one'"],
    ] as const) {
      const wrong = await start("saga", { HEADRACE_PAYLOAD_KEYS: keys });
      await vi.waitFor(() => expect(wrong.said()).toContain(sentence), patient);
      await wrong.stop();
    }
    expect((await handleOf(workflowId).describe()).status.name).toBe("RUNNING");
    const right = await start("saga", underOne);
    expect(await ended(workflowId)).toBe("COMPLETED");
    await right.stop();
  }, 180_000);

  it("the codec server tells the UI what is in a history, and opens to nobody without a token", async () => {
    const { workflowId } = await shop.press("tok_good");
    await vi.waitFor(() => handleOf(workflowId).describe(), patient);
    const { events } = await handleOf(workflowId).fetchHistory();
    const stored = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const base64 = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString("base64");
    const payloads = stored.map(({ metadata, data }) => ({
      metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)])),
      data: base64(data),
    }));
    const origin = "http://ui.example";
    const env = { ...underTwo, HEADRACE_CODEC_TOKEN: "t0ken" };
    const server = await shop.operator.start(["codec-server", "--port", "0", "--origin", origin, "--json"], { env });
    const ask = (authorization: string) =>
      fetch(`${server.ready["url"]}/decode`, {
        method: "POST",
        headers: { authorization, origin, "content-type": "application/json", "x-namespace": shop.namespace },
        body: JSON.stringify({ payloads }),
      });
    const decoded = (await (await ask("Bearer t0ken")).json()) as { readonly payloads: readonly { readonly data: string }[] };
    expect(JSON.parse(Buffer.from(decoded.payloads[0]?.data ?? "", "base64").toString())).toMatchObject({
      paymentToken: "tok_good",
    });
    expect((await ask("Bearer guessed")).status).toBe(401);

    for (const [args, keys, sentence] of [
      [["--host", "0.0.0.0"], underOne, "would decode for everyone"],
      [[], {}, "HEADRACE_PAYLOAD_KEYS is not set"],
      [[], { HEADRACE_PAYLOAD_KEYS: "one" }, "holds no id:key as number 1"],
    ] as const) {
      const refused = await shop.operator.tryRun(["codec-server", "--port", "0", ...args], { env: keys });
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(sentence) });
    }
  }, 90_000);
});
