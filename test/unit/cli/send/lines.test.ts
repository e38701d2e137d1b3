import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { plainBytes } from "../../../../src/cli/send/content.ts";
import { openLines } from "../../../../src/cli/send/lines.ts";
import { type Line, maxLineBytes, splitLines } from "../../../../src/cli/send/split-lines.ts";
import { createRandom } from "../../../demo/random.ts";

const folder = mkdtempSync(join(tmpdir(), "headrace-lines-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function* chunksOf(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const linesOf = (content: Buffer | string, size = 1_000_000) =>
  all(splitLines(plainBytes("input", chunksOf(Buffer.from(content), size))));
const texts = (lines: readonly Line[]) => lines.map(({ text }) => text);

describe("lines", () => {
  it("end at a newline, with or without a carriage return, and nowhere else, whatever the chunks", async () => {
    const lines = ["plain", "", "U+2028: \u2028, U+2029: \u2029, U+0085: \u0085", "a\rb\u000bc\fd", "Zoë 🙂", "last"];
    for (const size of [1, 2, 3, 7, 1_000]) {
      expect(texts(await linesOf(lines.join("\n"), size))).toEqual(lines);
      expect(texts(await linesOf(`${lines.join("\r\n")}\r\n`, size))).toEqual(lines);
    }
    expect(await linesOf("")).toEqual([]);
  });

  it("that are too long are told, and do not fill the memory", async () => {
    const long = "x".repeat(maxLineBytes + 1);
    expect(await linesOf(`a\n${long}\nb\n${long}`, 1_000)).toEqual([
      { text: "a" },
      { text: "", fault: "too-long" },
      { text: "b" },
      { text: "", fault: "too-long" },
    ]);
    expect(await linesOf(long.slice(1))).toEqual([{ text: long.slice(1) }]);
  });

  it("that are not UTF-8 are told; one that holds a replacement character of its own is whole", async () => {
    const damaged = Buffer.concat([Buffer.from("a"), Buffer.from([0xff]), Buffer.from("\n\ufffd\n")]);
    expect(await linesOf(damaged)).toEqual([{ text: "a\ufffd", fault: "not-utf8" }, { text: "\ufffd" }]);
  });
});

describe("what is packed", () => {
  const text = Array.from({ length: 5_000 }, (_, n) => `line ${n}: ${createRandom(n).hex(20)}`).join("\n");

  it("is unpacked, also in several members, and from a pipe that gives a byte at a time", async () => {
    expect(texts(await linesOf(gzipSync(text))).join("\n")).toBe(text);
    const two = Buffer.concat([gzipSync("one\n"), gzipSync("two\n")]);
    expect(texts(await linesOf(two, 1))).toEqual(["one", "two"]);
    const path = join(folder, "auth.log.2.gz");
    writeFileSync(path, gzipSync(text));
    const source = openLines(path, { cwd: "/", signal: new AbortController().signal });
    expect(texts(await all(source.lines())).join("\n")).toBe(text);
    // A file can be looked at beforehand.
    expect(texts(await all(source.lines())).join("\n")).toBe(text);
  });

  it("and cut short gives what there is, and then says so", async () => {
    const path = join(folder, "cut.gz");
    writeFileSync(path, gzipSync(text).subarray(0, 40_000));
    const found: string[] = [];
    const reading = (async () => {
      for await (const line of openLines(path, { cwd: "/", signal: new AbortController().signal }).lines()) found.push(line.text);
    })();
    await expect(reading).rejects.toMatchObject({
      code: "config.environment",
      message: expect.stringMatching(/cannot be read any further: .*end of file/),
    });
    expect(found.length).toBeGreaterThan(1_000);
  });

  it.each([
    ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0, 0], "xz -dc"],
    ["bzip2", [0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26], "bzip2 -dc"],
    ["zip", [0x50, 0x4b, 0x03, 0x04, 0, 0, 0, 0], "unzip -p"],
    ["the journal's own format", [..."LPKSHHRH"].map((char) => char.charCodeAt(0)), "journalctl -o short-iso --file"],
  ])("with %s is refused in one sentence, with the command that unpacks it", async (_, magic, command) => {
    await expect(linesOf(Buffer.from(magic))).rejects.toMatchObject({
      code: "usage",
      hint: expect.stringContaining(`${command} FILE`),
    });
  });
});

describe("what is no UTF-8", () => {
  it("is read where a byte order mark says that it is UTF-16", async () => {
    const little = Buffer.from("\ufeffZoë 🙂\ntwo\n", "utf16le");
    const big = Buffer.from(little).swap16();
    for (const size of [1, 3, 1_000]) {
      expect(texts(await linesOf(little, size)).map((line) => line.replace("\ufeff", ""))).toEqual(["Zoë 🙂", "two"]);
      expect(texts(await linesOf(big, size)).map((line) => line.replace("\ufeff", ""))).toEqual(["Zoë 🙂", "two"]);
    }
  });

  it("is refused in one sentence where nothing says what it is", async () => {
    await expect(linesOf(Buffer.from("Jan 10 06:55:46 gate", "utf16le"))).rejects.toMatchObject({
      hint: expect.stringContaining("iconv"),
    });
    await expect(linesOf(Buffer.alloc(400))).rejects.toMatchObject({ message: expect.stringContaining("binary") });
    // What a machine that lost power left in its log is no reason to refuse it.
    expect(await linesOf(`Jan 10 06:55:46 gate sshd[1]: x\n${"\0".repeat(8)}Jan 10\n`)).toHaveLength(2);
  });
});
