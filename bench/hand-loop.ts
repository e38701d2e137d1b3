import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import type { Contestant } from "./measure.ts";
import { readsPlain, rivalEnv } from "./plain-rival.ts";

const peer = (file: string) => fileURLToPath(new URL(`peers/${file}`, import.meta.url));

const loop = (name: string, file: string, count: number): Contestant => ({
  ...readsPlain,
  name: `${name}-${count}`,
  start: ({ stack, profileDir }) => startChild(peer(file), [String(count)], { env: rivalEnv(stack), profileDir }),
});

/** The rival: a loop as a good engineer writes it by hand, on plain entries, `count` of them a read. */
export const handLoop = (count: number): Contestant => loop("hand-loop", "hand-loop.mjs", count);

/** The best one: it reads and decodes the next entries while the last are being inserted. */
export const handLoopAhead = (count: number): Contestant => loop("hand-loop-ahead", "hand-loop-ahead.mjs", count);
