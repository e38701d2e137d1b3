import { defineRollup, rollups } from "headrace";
import { loginEvents } from "./shop.ts";

const hourly = { from: loginEvents, time: "at", every: "hour" } as const;

export const wrongColumn = defineRollup("wrong_column", {
  ...hourly,
  // refused: Type '"att"' is not assignable to type
  columns: { total: rollups.sum("att") },
});

export const wrongKey = defineRollup("wrong_key", {
  ...hourly,
  // refused: Type '"user"' is not assignable to type
  groupBy: ["user"],
  columns: { events: rollups.count() },
});

export const wrongTime = defineRollup("wrong_time", {
  ...hourly,
  // refused: Type '"outcome"' is not assignable to type '"at"'
  time: "outcome",
  columns: { events: rollups.count() },
});

export const wrongBucket = defineRollup("wrong_bucket", {
  ...hourly,
  // refused: Type '"week"' is not assignable to type '"day" | "hour" | "minute"'
  every: "week",
  columns: { events: rollups.count() },
});

export const wrongAggregate = defineRollup("wrong_aggregate", {
  ...hourly,
  // refused: Property 'median' does not exist on type
  columns: { middle: rollups.median("attempts") },
});
