import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readRequestBody } from "../../../src/stack/clickhouse/body.ts";
import { concurrencyLimit } from "../../../src/stack/clickhouse/concurrency-limit.ts";
import { faultOf, statusOfFault } from "../../../src/stack/clickhouse/fault.ts";
import { withoutLines } from "../../../src/stack/clickhouse/formats.ts";
import { openSpool } from "../../../src/stack/clickhouse/spool.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "headrace-spool-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test("an engine's error loses its wrapping and the names of our files, and keeps code, name and sentence", () => {
  const text =
    "Code: 27. DB::Exception: Code: 27. DB::Exception: Cannot parse 'x (Y)': (at row 1)\n: (in file/uri /dev/shm/headrace-1-2): While executing File. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.7.2.1). (CANNOT_PARSE_INPUT_ASSERTION_FAILED)";
  const fault = faultOf(new Error(text));
  expect(fault.text("1.2")).toBe(
    "Code: 27. DB::Exception: Cannot parse 'x (Y)': (at row 1)\n: While executing File. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 1.2)\n",
  );
  expect(faultOf("what").text("1.2")).toBe("Code: 1002. DB::Exception: what (UNKNOWN_EXCEPTION) (version 1.2)\n");
  expect([statusOfFault("UNKNOWN_TABLE"), statusOfFault("SYNTAX_ERROR"), statusOfFault("MEMORY_LIMIT_EXCEEDED")]).toEqual([
    404, 400, 500,
  ]);
});

test("a body cut anywhere gives the same statement and the same data, byte for byte", async () => {
  const spool = openSpool(dir);
  const data = Buffer.from([0, 10, 13, 255, 59, 39, 195, 40]);
  const head = Buffer.from("INSERT INTO `größe` (`ä`)\nFORMAT RowBinary \r\n");
  const whole = Buffer.concat([head, data]);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const body = await readRequestBody("", Readable.from([whole.subarray(0, cut), whole.subarray(cut)]), spool);
    if (body.kind !== "data") throw new Error("not read as data");
    expect(body.insert.target).toBe("INSERT INTO `größe` (`ä`)");
    expect(readFileSync(body.data.path)).toEqual(data);
    await body.data.remove();
    expect(existsSync(body.data.path)).toBe(false);
  }
});

test("an INSERT without a byte of data is one, with or without a line break at its end", async () => {
  for (const [query, text] of [
    ["", "INSERT INTO t FORMAT CSV"],
    ["INSERT INTO t FORMAT CSV;", ""],
    ["INSERT INTO t", "FORMAT CSV\n"],
    ["INSERT INTO t VALUES", ""],
  ] as const) {
    const body = await readRequestBody(query, Readable.from(text === "" ? [] : [Buffer.from(text)]), openSpool(dir));
    expect(body).toMatchObject({ kind: "data", data: { bytes: 0 } });
    if (body.kind === "data") await body.data.remove();
  }
  expect(await readRequestBody("SELECT", Readable.from([Buffer.from("1 ")]), openSpool(dir))).toEqual({
    kind: "sql",
    sql: "SELECT\n1 ",
  });
});

test("data beyond the memory's share goes to disk, whole and in order; a body that breaks off leaves no file", async () => {
  const spool = openSpool(dir);
  const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(500_000, i));
  const body = await readRequestBody("INSERT INTO t FORMAT Native", Readable.from(pieces), spool);
  if (body.kind !== "data") throw new Error("not read as data");
  expect(body.data.path.startsWith(dir)).toBe(true);
  expect(readFileSync(body.data.path).equals(Buffer.concat(pieces))).toBe(true);
  await body.data.remove();
  const breaking = async function* () {
    yield* pieces;
    throw new Error("gone");
  };
  await expect(readRequestBody("INSERT INTO t FORMAT Native", Readable.from(breaking()), spool)).rejects.toThrow("gone");
  expect(readdirSync(dir)).toEqual([]);
});

test("a spool begins empty", async () => {
  await writeFile(join(dir, "headrace-1-1"), "old");
  openSpool(dir);
  expect(readdirSync(dir)).toEqual([]);
});

test("a limit lets its width in, and the others in their order", async () => {
  const limit = concurrencyLimit(2);
  const [first, second] = [await limit.enter(), await limit.enter()];
  const seen: number[] = [];
  const enterAs = async (number: number) => {
    const leave = await limit.enter();
    seen.push(number);
    return leave;
  };
  const third = enterAs(3);
  const fourth = enterAs(4);
  first();
  first();
  const leaveThird = await third;
  expect(seen).toEqual([3]);
  leaveThird();
  (await fourth)();
  second();
  expect(seen).toEqual([3, 4]);
});

test("header lines are cut from a block, and from one that is nothing but header", () => {
  expect(withoutLines(Buffer.from("a\nb\nc\n"), 2).toString()).toBe("c\n");
  expect(withoutLines(Buffer.from("a\n"), 2).toString()).toBe("");
  expect(withoutLines(Buffer.from("a\n"), 0).toString()).toBe("a\n");
});
