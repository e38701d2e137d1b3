import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { DeadLetter } from "../../src/bus/port.ts";
import type { FoundLetter } from "../../src/cli/dlq/letters.ts";
import { things } from "./things.ts";

const partitions = partitionsOf(things(3).plan);

/** A dead letter of one of three partitions: an event out of a frame that did not fit its schema, where nothing else is said. */
export function deadLetter(letter: Partial<DeadLetter>, index = 0): FoundLetter {
  const partition = partitions[index] as Partition;
  return {
    partition,
    letter: {
      id: "1-1",
      pipeline: "pipe",
      partition: partition.name,
      at: "2026-01-01T00:00:00.000Z",
      entry: "1-0",
      index: 0,
      stage: "admit",
      reason: "schema",
      error: "no",
      type: "thing.happened",
      eventId: "e",
      original: "{}",
      fields: [],
      ...letter,
    },
  };
}
