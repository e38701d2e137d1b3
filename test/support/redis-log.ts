import { readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";

/** How much there is of the log of a Redis of the embedded stack, written or not yet on disk. @param dir of the stack */
export async function redisLogBytes(dir: string): Promise<number> {
  return (await stat(await redisLog(dir))).size;
}

/** Of a Redis that is down: leaves so much of its log, as a power failure leaves what was on disk. */
export async function cutRedisLog(dir: string, bytes: number): Promise<void> {
  await truncate(await redisLog(dir), bytes);
}

async function redisLog(dir: string): Promise<string> {
  const folder = join(dir, "redis", "appendonlydir");
  const [file] = (await readdir(folder)).filter((name) => name.endsWith(".incr.aof"));
  if (file === undefined) throw new Error(`no log in ${folder}`);
  return join(folder, file);
}
