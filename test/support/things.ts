import { z } from "zod";
import { c } from "../../src/dsl/columns.ts";
import { defineEvent, type EventOf } from "../../src/dsl/event.ts";
import { defineStream } from "../../src/dsl/stream.ts";
import { defineTable } from "../../src/dsl/table.ts";

/** The smallest event with a key: what tests of the engine send. `orders` says to a pipeline of the test what to do. */
export const thingHappened = defineEvent(
  "thing.happened",
  z.object({ key: z.string(), n: z.number(), orders: z.array(z.string()).default([]) }),
  { key: (data) => data.key },
);

export type Thing = EventOf<typeof thingHappened>;

export const things = (partitions = 1) => defineStream("things", { events: [thingHappened], partitions });

/** The same, written by another program. */
export const adoptedThings = () => defineStream("their-things", { events: [thingHappened], adopt: "app:things" });

/** A table whose rows are one row an event, however often they are written. */
export const thingTable = (name: string) =>
  defineTable(name, {
    columns: { event_id: c.uuid(), key: c.string(), n: c.int32(), at: c.dateTime64(3) },
    orderBy: ["key", "at", "event_id", "n"],
  });

export const thingRow = ({ id, time, data }: Thing) => ({ event_id: id, key: data.key, n: data.n, at: time });
