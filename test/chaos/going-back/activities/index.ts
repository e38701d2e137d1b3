import { Context } from "@temporalio/activity";

/** What the saga role gives to activities, as far as it is used here. */
interface Deps {
  readonly stateOf: (pipeline: string, key: string) => Promise<{ readonly state: unknown } | undefined>;
  readonly announce: (stream: string, event: Told) => Promise<void>;
}

interface Told {
  readonly id: string;
  readonly type: string;
  readonly time: Date;
  readonly data: object;
}

export const createActivities = ({ stateOf, announce }: Deps) => ({
  /** How many numbers of a key are there more than once, in a fold that takes each once. */
  async lookAt(key: string): Promise<number> {
    const found = await stateOf("once", key);
    const numbers = (found?.state ?? []) as readonly number[];
    return numbers.length - new Set(numbers).size;
  },

  tell: (id: string, data: object): Promise<void> =>
    announce("notes", { id, type: "number.noted", time: new Date(Context.current().info.scheduledTimestampMs), data }),
});

export type Activities = ReturnType<typeof createActivities>;
