import type { Random } from "../demo/random.ts";

/** What belongs nowhere, and has broken readers of all kinds. */
const oddities: readonly unknown[] = [
  ...[null, true, 0, -0, -1, 0.5, 1, 2, 499, 500, 501, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, -1e308],
  ...["", "0", "-1", "length", "__proto__", "constructor", "toString", "\ud800", "\u0000", "a".repeat(200), "é漢😀"],
  ...[[], [[]], [null], [[[]]], {}, { length: 1 }, { 0: 0, length: 1 }, { toString: 1 }],
];
/** Text that only a writer by hand puts into JSON. */
const tokens = [
  "1e999",
  "-1e999",
  '{"__proto__":{"length":9}}',
  "[".repeat(70),
  "]".repeat(70),
  '"',
  "\\",
  ",",
  ":",
  "\u0000",
  "NaN",
  "-",
] as const;

/** A copy of a JSON value in which one part, somewhere, is another, is missing, is there twice or has gone elsewhere. */
export function damagedJson(value: unknown, random: Random): unknown {
  const copy = structuredClone(value);
  const holders: object[] = [];
  const walk = (part: unknown) => {
    if (typeof part !== "object" || part === null) return;
    holders.push(part);
    for (const inner of Object.values(part)) walk(inner);
  };
  walk(copy);
  const holder = random.pick(holders) as Record<string, unknown> | unknown[];
  const names = Object.keys(holder);
  if (names.length === 0 || random.chance(0.05)) return random.pick(oddities);
  const name = random.pick(names);
  const at = holder as Record<string, unknown>;
  switch (random.int(0, 4)) {
    case 0:
      at[name] = random.pick(oddities);
      break;
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(name), 1);
      else delete holder[name];
      break;
    case 2:
      if (Array.isArray(holder)) holder.push(holder[Number(name)]);
      else holder[`${name}${name}`] = holder[name];
      break;
    case 3: {
      const other = random.pick(names);
      [at[name], at[other]] = [at[other], at[name]];
      break;
    }
    default:
      at[name] = Array.isArray(at[name]) ? Object.fromEntries(Object.entries(at[name])) : String(at[name]);
  }
  return copy;
}

/** A copy of bytes with a few changed, cut out, put in or doubled. */
export function damagedBytes(bytes: Buffer, random: Random): Buffer {
  let damaged = Buffer.from(bytes);
  for (let times = random.int(1, 3); times > 0; times--) {
    const from = random.int(0, Math.max(0, damaged.length - 1));
    const to = Math.min(damaged.length, from + random.int(0, 8));
    const [head, piece, tail] = [damaged.subarray(0, from), damaged.subarray(from, to), damaged.subarray(to)];
    const put = [piece, piece].concat(
      [Buffer.from(random.pick(tokens)), Buffer.from([random.int(0, 255)]), Buffer.alloc(0)].slice(random.int(0, 2)),
    );
    damaged = Buffer.concat([head, ...put.slice(random.int(0, put.length)), tail]);
  }
  return damaged;
}
