import type { ActivityDeps } from "headrace/host";
import { noted, notes, seenOnce } from "../pipelines/streams.ts";

export const createActivities = ({ stateOf, announce }: Pick<ActivityDeps, "stateOf" | "announce">) => ({
  /** How many numbers of a key are there more than once, in a fold that takes each once. */
  async lookAt(key: string): Promise<number> {
    const numbers = (await stateOf(seenOnce, key))?.state ?? [];
    return numbers.length - new Set(numbers).size;
  },

  tell: (id: string, data: { readonly key: string; readonly n: number; readonly repeated: number }): Promise<void> =>
    announce(notes, { id, ...noted(data) }),
});

export type Activities = ReturnType<typeof createActivities>;
