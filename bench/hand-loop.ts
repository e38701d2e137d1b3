import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import type { Contestant } from "./measure.ts";
import { readsPlain, rivalEnv } from "./plain-rival.ts";

const file = fileURLToPath(new URL("peers/hand-loop.mjs", import.meta.url));

/** The rival: a loop as a good engineer writes it by hand, on plain entries, `count` of them a read. */
export const handLoop = (count: number): Contestant => ({
  ...readsPlain,
  name: `hand-loop-${count}`,
  start: ({ stack, profileDir }) => startChild(file, [String(count)], { env: rivalEnv(stack), profileDir }),
});
