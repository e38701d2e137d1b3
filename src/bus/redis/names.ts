import type { Commands } from "../../redis/client.ts";
import type { NamesCommit } from "../known-names.ts";
import { keys } from "../partition.ts";
import type { Fence } from "../port.ts";
import type { MoreArgs } from "./keyed.ts";
import { runScript } from "./scripts.ts";
import { tokenOf } from "./token.ts";

/** The keys and arguments that names add to a commit, as its last ones. */
export function namesArgs({ partition, pipeline }: Fence, names: NamesCommit | undefined): MoreArgs {
  if (!names) return { keys: [], types: "", args: [""] };
  const { page, out, ttlMs, records } = names;
  return {
    keys: [keys.names(partition, pipeline, page), keys.names(partition, pipeline, out)],
    types: "tt",
    args: [records, page, ttlMs],
  };
}

export async function readNames(
  redis: Commands,
  fence: Fence,
  pages: number,
): Promise<{ readonly newest: number; readonly stored: readonly Buffer[] } | "fenced"> {
  const { partition, pipeline, owner } = fence;
  const read = (numbers: readonly number[]) =>
    runScript<readonly [newest: number, ...stored: Buffer[]] | null>(redis, "names", {
      keys: [keys.lease(partition, pipeline), ...numbers.map((page) => keys.names(partition, pipeline, page))],
      args: [owner, tokenOf(fence)],
    });
  const found = await read([]);
  if (found === null) return "fenced";
  const [newest] = found;
  const numbers = Array.from({ length: pages }, (_, i) => newest - pages + 1 + i).filter((page) => page >= 0);
  const reply = await read(numbers);
  if (reply === null) return "fenced";
  const [, ...stored] = reply;
  return { newest, stored };
}
