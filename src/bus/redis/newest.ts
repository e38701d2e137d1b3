import type { Commands } from "../../redis/client.ts";
import type { Partition } from "../partition.ts";
import type { LogEntry } from "../port.ts";

/** The newest entries of a log before one of them, newest first. */
export async function readNewest(
  redis: Commands,
  { log }: Partition,
  { before, count }: { readonly before: string | undefined; readonly count: number },
): Promise<readonly LogEntry[]> {
  const from = before === undefined ? "+" : `(${before}`;
  const page = await redis.send<[Buffer, Buffer[]][]>(log, ["XREVRANGE", log, from, "-", "COUNT", String(count)]);
  return page.map(([id, fields]) => ({ id: String(id), fields }));
}
