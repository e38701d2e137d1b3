import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encryptingCodec } from "../../../src/codec/payload-codec.ts";
import { parsePayloadKeys } from "../../../src/codec/payload-keys.ts";

const key = () => randomBytes(32).toString("base64");
const [one, two] = [key(), key()];
const codec = (text: string) => encryptingCodec(parsePayloadKeys(text));
const payload = { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from('"tok_good"') };

describe("an encrypted payload", () => {
  it("holds nothing of its text, names its key, and is what it was after decoding", async () => {
    const [sealed] = await codec(`one:${one}`).encode([payload]);
    expect(Buffer.from(sealed?.metadata?.["encoding"] ?? []).toString()).toBe("binary/encrypted");
    expect(Buffer.from(sealed?.metadata?.["encryption-key-id"] ?? []).toString()).toBe("one");
    expect(Buffer.from(sealed?.data ?? []).toString("latin1")).not.toContain("tok_good");
    expect(await codec(`one:${one}`).decode([sealed as never])).toEqual([payload]);
  });

  it("is another one each time", async () => {
    const [a, b] = await codec(`one:${one}`).encode([payload, payload]);
    expect(a?.data).not.toEqual(b?.data);
  });

  it.each([undefined, []])("of an empty value, without data (%j), comes back", async (data) => {
    const empty = { metadata: { encoding: Buffer.from("binary/null") }, ...(data && { data: data as never }) };
    const [sealed] = await codec(`one:${one}`).encode([empty]);
    const [opened] = await codec(`one:${one}`).decode([sealed as never]);
    expect(Buffer.from(opened?.metadata?.["encoding"] ?? []).toString()).toBe("binary/null");
    expect(opened?.data).toHaveLength(0);
  });

  it("is decrypted by whoever has its key anywhere in the list", async () => {
    const sealed = await codec(`one:${one}`).encode([payload]);
    expect(await codec(`two:${two},one:${one}`).decode(sealed)).toEqual([payload]);
  });

  it("without its key, with another key under its id, or changed by one bit is refused with a sentence", async () => {
    const sealed = await codec(`one:${one}`).encode([payload]);
    await expect(codec(`two:${two}`).decode(sealed)).rejects.toThrow("the key 'one', which HEADRACE_PAYLOAD_KEYS lacks");
    await expect(codec(`one:${two}`).decode(sealed)).rejects.toThrow("cannot be decrypted with the key 'one'");
    const data = Buffer.from(sealed[0]?.data ?? []);
    for (let at = 0; at < data.length; at++) {
      const changed = Buffer.from(data);
      changed[at] = (changed[at] as number) ^ 1;
      await expect(codec(`one:${one}`).decode([{ ...sealed[0], data: changed }])).rejects.toThrow("cannot be decrypted");
    }
    for (const length of [0, 5, 12, 20, data.length - 1]) {
      await expect(codec(`one:${one}`).decode([{ ...sealed[0], data: data.subarray(0, length) }])).rejects.toThrow(
        "cannot be decrypted",
      );
    }
  });

  it("beside one that was never encrypted leaves that as it is", async () => {
    expect(await codec(`one:${one}`).decode([payload])).toEqual([payload]);
  });
});

describe("the list of keys", () => {
  it.each([
    ["", "no id:key as number 1"],
    [one, "no id:key as number 1"],
    [`one:${one},`, "no id:key as number 2"],
    [`one:${one},one:${two}`, "'one' twice"],
    [`one:${Buffer.alloc(16).toString("base64")}`, "'one' of 16 bytes, not 32"],
  ])("'%s' is refused, and no key is told", (text, sentence) => {
    expect(() => parsePayloadKeys(text)).toThrow(sentence);
    expect(() => parsePayloadKeys(text)).not.toThrow(one);
  });
});
