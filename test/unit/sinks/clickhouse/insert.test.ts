import { c, defineTable } from "headrace";
import { expect, test } from "vitest";
import { TerminalError } from "../../../../src/core/errors.ts";
import { uuidOf } from "../../../../src/core/hash.ts";
import { insertPieces, prepareInsert } from "../../../../src/sinks/clickhouse/insert.ts";
import { compileEncoder } from "../../../../src/sinks/clickhouse/native/encoder.ts";
import { maxPartitionsPerInsert } from "../../../../src/sinks/clickhouse/partitions.ts";

const table = defineTable("seen", {
  columns: { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3) },
  orderBy: ["user_id", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
}).plan;
const encode = compileEncoder(table);
const dayMs = 86_400_000;
const start = Date.UTC(2026, 2, 1);

/** Row `n` of a piece on a day. Its user tells both; one that is refused has another name. */
const row = (day: number, n: number, name = "user") => ({
  event_id: uuidOf(`${day} ${n}`),
  user_id: `${name}-${day}-${n};`,
  at: new Date(start + day * dayMs),
});
const pieceOf = (rows: readonly object[]) => prepareInsert(table, encode, rows);

/** What a server does that refuses a block with a poisoned row, whole. */
function server() {
  const landed: string[] = [];
  const daysOfInserts: number[] = [];
  let verified = 0;
  return {
    landed,
    daysOfInserts,
    verified: () => verified,
    deps: {
      send: async (block: Buffer) => {
        const text = block.toString("latin1");
        if (text.includes("poison")) throw new TerminalError("clickhouse.data", "poison");
        const users = [...text.matchAll(/user-(\d+)-\d+/g)];
        landed.push(...users.map(([user]) => user));
        daysOfInserts.push(new Set(users.map(([, day]) => day)).size);
      },
      verify: async () => void verified++,
    },
  };
}

test("rows that are refused are found in any piece, wherever they stand, and all others go in", async () => {
  const { landed, deps, verified } = server();
  const bad = new Set(["1 0", "1 4", "3 2", "4 4"]);
  const pieces = [0, 1, 2, 3, 4].map((day) => {
    const rows = Array.from({ length: 5 }, (_, n) => row(day, n, bad.has(`${day} ${n}`) ? "poison" : "user"));
    return pieceOf(rows);
  });
  const rejected = await insertPieces(pieces, deps);
  // Indexes count on through the pieces.
  expect(rejected.map(({ row: at }) => at).sort((a, b) => a - b)).toEqual([5, 9, 17, 24]);
  expect(new Set(landed).size).toBe(21);
  expect(verified()).toBe(1);
});

test("a row that does not fit its column is told by its place, behind pieces that came before", async () => {
  const { landed, deps } = server();
  const misfit = { ...row(1, 1), event_id: "not a uuid" };
  const rejected = await insertPieces([pieceOf([row(0, 0), row(0, 1)]), pieceOf([row(1, 0), misfit, row(1, 2)])], deps);
  expect(rejected).toMatchObject([{ row: 3, reason: expect.stringContaining("event_id") }]);
  expect(landed.sort()).toEqual(["user-0-0", "user-0-1", "user-1-0", "user-1-2"]);
});

test("no insert touches more partitions than one may, however the pieces lie", async () => {
  const { landed, daysOfInserts, deps } = server();
  const days = 3 * maxPartitionsPerInsert + 2;
  const pieces = Array.from({ length: days }, (_, day) => pieceOf([row(day, 0), row(day, 1)]));
  expect(await insertPieces(pieces, deps)).toEqual([]);
  expect(landed).toHaveLength(2 * days);
  expect(Math.max(...daysOfInserts)).toBe(maxPartitionsPerInsert);
  expect(daysOfInserts).toHaveLength(4);
});

test("many writes over many days are no more inserts than one of all their rows, and each day keeps its order", async () => {
  const { landed, daysOfInserts, deps } = server();
  const days = 12 * maxPartitionsPerInsert;
  // Each write has other days than the one before it.
  const pieces = Array.from({ length: 60 }, (_, n) =>
    pieceOf(Array.from({ length: 40 }, (_, i) => row((i * 7 + n * 11) % days, n))),
  );
  expect(await insertPieces(pieces, deps)).toEqual([]);
  expect(new Set(landed).size).toBe(60 * 40);
  expect(daysOfInserts.length).toBeLessThanOrEqual(13);
  for (let day = 0; day < days; day++) {
    const writes = landed.filter((user) => user.startsWith(`user-${day}-`)).map((user) => Number(user.split("-")[2]));
    expect(writes).toEqual(writes.toSorted((a, b) => a - b));
  }
});
