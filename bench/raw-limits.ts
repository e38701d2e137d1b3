import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loginEvents } from "../pipelines/tables.ts";
import { startChild } from "./child.ts";
import { rowOf } from "./data.ts";
import type { Bench, Contestant } from "./measure.ts";
import { acked } from "./plain-rival.ts";
import { framePartitions, publishFrames } from "./publish.ts";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const group = "raw-read";
const logs = framePartitions.map((prefix) => `${prefix}:s`);
/** Entries of one read, as the engine reads partitions of frames. */
const readCount = 2;
/** Rows of one insert, as a sink cuts them by default. */
const blockRows = 20_000;

/** What Redis gives: frames read and acked, and nothing done with them. */
export const rawRead: Contestant = {
  name: "raw-read",
  prepare: async ({ events, stack }) => {
    await publishFrames(events, stack.redisUrl);
    for (const log of logs) await stack.redis.xGroupCreate(log, group, "0", { MKSTREAM: true });
  },
  start: ({ stack, profileDir }) =>
    startChild(path("peers/raw-read.mjs"), [group, String(readCount), ...logs], { env: stack.env, profileDir }),
  done: async ({ events, stack }) => {
    const lengths = await Promise.all(logs.map((log) => stack.redis.xLen(log)));
    const entries = lengths.reduce((sum, length) => sum + length, 0);
    return (await acked(stack, logs)) === entries ? events.length : 0;
  },
  makesRows: false,
};

const inserting = (name: string, inFlight: number): Contestant => ({
  name,
  prepare: writeBlocks,
  start: (bench) =>
    startChild(path("peers/raw-insert.mjs"), [blocksFile(bench), String(inFlight)], {
      env: bench.stack.env,
      profileDir: bench.profileDir,
    }),
  done: async (_, child) => Number(child.latest()["rows"] ?? 0),
  makesRows: true,
});

/** What ClickHouse takes: blocks that were encoded before, inserted one after another, as a sink does. */
export const rawInsert = inserting("raw-insert", 1);
/** The same with two inserts in flight: what is left for those who want more. */
export const rawInsertTwo = inserting("raw-insert-2", 2);

const blocksFile = ({ stack }: Bench) => join(stack.dir, "raw-insert.blocks");

/** Encodes the rows into a file, once for all runs: the length of each block, its number of rows (32 bits each), the block. */
async function writeBlocks(bench: Bench): Promise<void> {
  if (existsSync(blocksFile(bench))) return;
  const { compileEncoder } = (await import(path("../dist/sinks/clickhouse/native/encoder.js"))) as EncoderModule;
  const encode = compileEncoder(loginEvents.plan);
  const file = await open(blocksFile(bench), "w");
  for (let i = 0; i < bench.events.length; i += blockRows) {
    const { bytes, rows } = encode(bench.events.slice(i, i + blockRows).map(rowOf));
    const head = Buffer.alloc(8);
    head.writeUInt32LE(bytes.length, 0);
    head.writeUInt32LE(rows, 4);
    await file.writev([head, bytes]);
  }
  await file.close();
}

/** Of dist/, not of src/: loaded here, src/ would be compiled once more. */
type EncoderModule = typeof import("../src/sinks/clickhouse/native/encoder.ts");
