import { afterAll, beforeAll, expect, it } from "vitest";
import { c } from "../../src/dsl/columns.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { ColumnType } from "../../src/plan/column-type.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import type { ColumnPlan, TablePlan } from "../../src/plan/table.ts";
import { dateLimits } from "../../src/plan/value-faults.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { createTable } from "../../src/sinks/clickhouse/ddl.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { createRandom, type Random } from "../demo/random.ts";
import { fetchAs } from "../support/addresses.ts";
import { casesOf, seed } from "../support/long-form.ts";
import { clickhouseDatabase } from "../support/services.ts";

/** Tables of random columns. */
const runs = casesOf({ few: 40, many: 2_000 });

let client: ClickHouse;
let address: { readonly url: string; readonly database: string };
beforeAll(async () => {
  address = await clickhouseDatabase();
  client = createClickHouse(address);
});
afterAll(() => client.close());

type Row = Readonly<Record<string, unknown>>;

const texts = [
  ...[
    "",
    " ",
    "\0",
    "a\0b",
    "\u2028\u2029",
    "\ufeff",
    "😀",
    "\u{10ffff}",
    "é\u0301",
    "\r\n\t\b\f\v",
    "\\",
    "'\"`",
    "\\N",
    "NULL",
    "\x7f\x80",
  ],
  ...["half \ud83d", "\udc00", "x".repeat(127), "x".repeat(128), "é".repeat(64), "😀".repeat(5_000), "y".repeat(70_000)],
];

const enumNames = (random: Random): readonly string[] => {
  const odd = ["a", "it's", "back\\slash", "(a)", ")", "x, y", "Array(String)", " ", "é", "😀", "\t", ""];
  const many = Array.from({ length: random.pick([1, 3, 127, 128, 300]) }, (_, n) => odd[n] ?? `name ${n}`);
  return random.chance(0.5) ? many : many.reverse();
};

/** How each builder of single values is called; the compiler asks for a new one. */
const { array: _, ...plainBuilders } = c;
const scalars: Readonly<Record<keyof typeof plainBuilders, (random: Random) => unknown>> = {
  ...plainBuilders,
  dateTime64: (random) => c.dateTime64(random.int(0, 9)),
  enum: (random) => c.enum(enumNames(random)),
};

function drawColumn(random: Random) {
  const scalar = () => random.pick(Object.values(scalars))(random) as ReturnType<typeof c.uuid>;
  if (random.chance(0.2)) return c.array(random.chance(0.3) ? (c.array(scalar()) as never) : scalar());
  let column = random.chance(0.15) ? (c.string().lowCardinality() as never as ReturnType<typeof c.uuid>) : scalar();
  if (random.chance(0.3)) column = column.nullable() as never;
  if (random.chance(0.2)) column = column.default(goodValue(column.draft.type, random) as never) as never;
  return column;
}

/** A value at an edge of its type, or anywhere in it. */
function goodValue(type: ColumnType, random: Random): unknown {
  switch (type.kind) {
    case "string":
      return random.chance(0.7) ? random.pick(texts) : random.hex(random.int(1, 40));
    case "uuid":
      return random.pick([
        random.uuid(),
        random.uuid().toUpperCase(),
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-FFFF-ffff-FFFF-ffffffffffff",
      ]);
    case "bool":
      return random.chance(0.5);
    case "int": {
      const { bits, signed } = type;
      const [min, max] = signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n];
      const value = random.pick([
        min,
        min + 1n,
        0n,
        1n,
        signed ? -1n : 2n,
        max - 1n,
        max,
        BigInt(random.int(0, 100)),
        2n ** 53n,
        2n ** 32n,
      ]);
      const fitting = value > max ? max : value;
      const isSafe = fitting <= BigInt(Number.MAX_SAFE_INTEGER) && fitting >= BigInt(Number.MIN_SAFE_INTEGER);
      if (bits === 64 && (!isSafe || random.chance(0.3))) return fitting;
      return fitting === 0n && random.chance(0.3) ? -0 : Number(fitting);
    }
    case "float": {
      const wide = [
        0,
        -0,
        1,
        -1,
        0.1,
        1 / 3,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        -1.7976931348623157e308,
        2 ** 53,
      ];
      const narrow = [
        0, -0, 0.1, 16_777_217, 1.401298464324817e-45, 1e-46, 1.1754943508222875e-38, 3.4028234663852886e38,
        -3.4028234663852886e38,
      ];
      return random.chance(0.3)
        ? (random.next() - 0.5) * 10 ** random.int(-30, 30)
        : random.pick(type.bits === 64 ? wide : narrow);
    }
    case "date":
    case "dateTime":
    case "dateTime64": {
      const { min, max } = limitsOf(type);
      const within = [
        min,
        min + 1,
        max,
        max - 1,
        0,
        1,
        999,
        1_000,
        86_399_999,
        86_400_000,
        -1,
        -1_001,
        951_782_400_000,
        4_102_444_799_999,
      ];
      const ms = random.chance(0.3) ? min + Math.floor(random.next() * (max - min)) : random.pick(within);
      return new Date(Math.min(max, Math.max(min, ms)));
    }
    case "enum":
      return random.pick(type.values);
    case "array":
      return Array.from({ length: random.pick([0, 0, 1, 2, 7, 130]) }, () => goodValue(type.of, random));
    default:
      throw type satisfies never;
  }
}

const limitsOf = (type: Extract<ColumnType, { readonly kind: "date" | "dateTime" | "dateTime64" }>) =>
  type.kind === "dateTime64" ? dateLimits[type.precision === 9 ? "dateTime64Nanos" : "dateTime64"] : dateLimits[type.kind];

/** A value that the type cannot hold. */
function badValue(type: ColumnType, random: Random): unknown {
  const others: Readonly<Record<ColumnType["kind"], readonly unknown[]>> = {
    string: [7, true, ["a"], new Date(0), new String("a")],
    uuid: [
      "",
      "not one",
      "00000000-0000-0000-0000-00000000000g",
      "00000000-0000-0000-0000-0000000000000",
      "０0000000-0000-0000-0000-000000000000",
      7,
    ],
    bool: [0, 1, "true", ""],
    int: ["7", 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 64, -(2 ** 64), 2n ** 64n, -(2n ** 63n) - 1n, new Date(0)],
    float: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "0.5", 1n],
    date: [new Date(Number.NaN), 0, "2026-01-01", new Date(8.64e15)],
    dateTime: [new Date(Number.NaN), 0, "2026-01-01", new Date(-1), new Date(-8.64e15)],
    dateTime64: [new Date(Number.NaN), 0, "2026-01-01", new Date(8.64e15)],
    enum: ["no such name", 1, "constructor", "__proto__"],
    array: ["a", { length: 0 }, 7],
  };
  if (type.kind === "array" && random.chance(0.6)) {
    const elements = goodValue(type, random) as unknown[];
    elements.splice(
      random.int(0, elements.length),
      0,
      random.chance(0.3) ? random.pick([null, undefined]) : badValue(type.of, random),
    );
    return elements;
  }
  const beyond: unknown[] = [{}, Symbol("s"), () => 1];
  if (type.kind === "int" && type.bits < 64)
    beyond.push(type.signed ? 2 ** (type.bits - 1) : 2 ** type.bits, type.signed ? -(2 ** (type.bits - 1)) - 1 : -1, 1n);
  if (type.kind === "int" && type.bits === 64) beyond.push(2 ** 53, type.signed ? 2n ** 63n : -1n);
  if (type.kind === "float" && type.bits === 32) beyond.push(3.5e38, -1e39);
  if (type.kind === "date" || type.kind === "dateTime" || type.kind === "dateTime64") {
    const { min, max } = limitsOf(type);
    beyond.push(new Date(min - 1), new Date(max + 1));
  }
  return random.pick([...others[type.kind], ...beyond]);
}

/** A value as JSONEachRow says it; `undefined` where the row leaves it out. */
function jsonOf(type: ColumnType, value: unknown): string {
  if (value === null) return "null";
  switch (type.kind) {
    case "array":
      return `[${(value as unknown[]).map((element) => jsonOf(type.of, element)).join()}]`;
    case "string":
      // Half of a surrogate pair becomes U+FFFD, as everywhere in Node.
      return JSON.stringify(Buffer.from(value as string).toString());
    case "int":
      return String(BigInt(value as number | bigint));
    case "float": {
      const number = type.bits === 32 ? Math.fround(value as number) : (value as number);
      return Object.is(number, -0) ? "-0" : String(number);
    }
    case "date":
      return `"${(value as Date).toISOString().slice(0, 10)}"`;
    case "dateTime":
      return `"${(value as Date).toISOString().slice(0, 19).replace("T", " ")}"`;
    case "dateTime64": {
      const decimals = (value as Date).toISOString().slice(20, 23).padEnd(9, "0").slice(0, type.precision);
      return `"${(value as Date).toISOString().slice(0, 19).replace("T", " ")}${decimals === "" ? "" : `.${decimals}`}"`;
    }
    default:
      return JSON.stringify(value);
  }
}

const lineOf = ({ columns }: TablePlan, row: Row): string =>
  `{${columns.flatMap(({ name, type }) => (row[name] === undefined ? [] : [`"${name}":${jsonOf(type, row[name])}`])).join()}}`;

/** Rows, and of those that a column cannot hold its index and the first column that cannot. */
function drawRows(columns: readonly ColumnPlan[], random: Random) {
  const count = random.pick([1, 2, 10, 50]);
  const isBad = random.pick([0, 0, 0.1, 0.5, 1]);
  const faults = new Map<number, string>();
  const rows = Array.from({ length: count }, (_, id): Row => {
    const row: Record<string, unknown> = { id };
    for (const column of columns) {
      const { name, type, nullable, fallback } = column;
      if (random.chance(isBad / columns.length)) {
        const missing: unknown[] = [...(nullable ? [] : [null]), ...(nullable || fallback !== undefined ? [] : [undefined])];
        row[name] = missing.length > 0 && random.chance(0.3) ? random.pick(missing) : badValue(type, random);
        if (!faults.has(id)) faults.set(id, name);
      } else if (nullable && random.chance(0.3)) row[name] = null;
      else if ((nullable || fallback !== undefined) && random.chance(0.2)) row[name] = undefined;
      else row[name] = goodValue(type, random);
    }
    return row;
  });
  return { rows, faults };
}

/** What is in a table, in the bytes of its values: they are the same where the values are, to the last bit. */
async function bytesIn(table: string): Promise<string> {
  const query = `SELECT * FROM ${address.database}.${table} FINAL ORDER BY id FORMAT RowBinaryWithNamesAndTypes`;
  const answer = await fetchAs(address.url, { method: "POST", body: query });
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (!answer.ok) throw new Error(bytes.toString());
  return bytes.toString("hex");
}

async function insertAsJson(plan: TablePlan, rows: readonly Row[]): Promise<void> {
  const query = `INSERT INTO ${address.database}.${plan.name} FORMAT JSONEachRow\n`;
  const answer = await fetchAs(address.url, { method: "POST", body: query + rows.map((row) => lineOf(plan, row)).join("\n") });
  if (!answer.ok) throw new Error(await answer.text());
}

it(`rows of ${runs} random tables are in them as JSON would have put them there, and what a column cannot hold is refused by itself (HEADRACE_SEED=${seed})`, async () => {
  const random = createRandom(seed);
  let [kept, refused] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const drawn = Array.from({ length: random.int(1, 8) }, (_, n) => [`c${n}`, drawColumn(random)] as const);
    const tables = (["native", "json"] as const).map(
      (kind) =>
        defineTable(`${kind}_${run}`, { columns: { id: c.uint32(), ...Object.fromEntries(drawn) }, orderBy: ["id"] }).plan,
    );
    const [native, json] = tables as unknown as readonly [TablePlan, TablePlan];
    const about = `HEADRACE_SEED=${seed}, table ${run}: ${JSON.stringify(
      native.columns.map(({ type, nullable, fallback }) => ({ type, nullable, fallback })),
      plain,
    ).slice(0, 2_000)}`;
    for (const plan of [native, json]) await client.run(createTable(plan));
    const { rows, faults } = drawRows(native.columns.slice(1), random);
    const sink = createClickHouseSink(
      clickhouse({ kind: "table", plan: native } as never, { minIntervalMs: 0 }).plan as ClickHouseSinkPlan,
      {
        client,
        signal: new AbortController().signal,
      },
    );
    // In several writes, which are joined again.
    const cuts = [
      ...new Set([0, ...Array.from({ length: random.int(0, 3) }, () => random.int(0, rows.length)), rows.length]),
    ].sort((a, b) => a - b);
    const writes = cuts.slice(0, -1).map((from, n) => ({ from, rows: rows.slice(from, cuts[n + 1]) }));
    const results = await Promise.all(
      writes.map(async ({ from, rows: part }) =>
        (await sink.write(part, 100 * part.length)).rejected.map(({ row, reason }) => ({ row: from + row, reason })),
      ),
    );
    await sink.close();
    expect(Object.fromEntries(results.flat().map(({ row, reason }) => [row, reason.split(" ")[0]])), about).toEqual(
      Object.fromEntries(faults),
    );
    const good = rows.filter((_, id) => !faults.has(id));
    if (good.length > 0) await insertAsJson(json, good);
    expect(await bytesIn(native.name), about).toBe(await bytesIn(json.name));
    for (const { name } of [native, json]) await client.run(`DROP TABLE ${name}`);
    kept += good.length;
    refused += faults.size;
  }
  expect(kept).toBeGreaterThan(runs);
  expect(refused).toBeGreaterThan(runs / 4);
}, 3_600_000);

it("a default is the same to the last bit whether we write it or the server: also the other zero", async () => {
  const columns = {
    id: c.uint32(),
    wide: c.float64().default(-0),
    narrow: c.float32().default(-0),
    many: c.array(c.float64()).default([-0]),
  };
  const table = defineTable("zeroes", { columns, orderBy: ["id"] });
  await client.run(createTable(table.plan));
  const plan = clickhouse(table, { minIntervalMs: 0 }).plan as ClickHouseSinkPlan;
  const sink = createClickHouseSink(plan, { client, signal: new AbortController().signal });
  await sink.write([{ id: 1 }], 10);
  await sink.close();
  await client.run("INSERT INTO zeroes (id) VALUES (2)");
  // The least significant byte comes first.
  const bits = await client.query("SELECT DISTINCT hex(wide) AS wide, hex(narrow) AS narrow, hex(many[1]) AS many FROM zeroes");
  expect(bits).toEqual([{ wide: "0000000000000080", narrow: "00000080", many: "0000000000000080" }]);
});

const plain = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
