import { Refusal } from "headrace/participant";
import { z } from "zod";

/** The participants' own store: Redis, reached by one script a verb. */
export interface StoreDeps {
  readonly redis: {
    eval(script: string, call: { keys: string[]; arguments: string[] }): Promise<unknown>;
  };
}

/** Names the step of a saga that asks: `checkout/<checkoutId>/<step>`. */
export const key = z.string().min(1).max(512);

/**
 * Every verb stands three things: coming twice (same answer, no second effect), an undo of what never came (success), and
 * a do that arrives after its undo (refused: the undo leaves a tombstone). Scripts answer `SUPERSEDED` for the last.
 */
export function checkSuperseded(reply: unknown, step: string): void {
  if (reply === "SUPERSEDED") throw new Refusal("Superseded", `'${step}' was undone before it arrived`);
}

// The values of a hash by what stands before their first '|', counted some at a time. What is no known state is 'other'.
const tally = `
local counts, cursor = { other = 0 }, '0'
for _, state in ipairs(ARGV) do counts[state] = 0 end
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 1000)
  cursor = page[1]
  for i = 2, #page[2], 2 do
    local state = string.match(page[2][i], '^[^|]*')
    if not counts[state] then state = 'other' end
    counts[state] = counts[state] + 1
  end
until cursor == '0'
return cjson.encode(counts)`;

/** How many of a hash's values are in each of these states, and in any `other`. */
export async function countStates<State extends string>(
  { redis }: StoreDeps,
  { hash, states }: { readonly hash: string; readonly states: readonly State[] },
): Promise<Readonly<Record<State | "other", number>>> {
  return JSON.parse(String(await redis.eval(tally, { keys: [hash], arguments: [...states] })));
}
