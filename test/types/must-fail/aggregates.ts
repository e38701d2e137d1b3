import { aggregates, defineAggregate } from "headrace";
import { loginEvents } from "./shop.ts";

const { sum, count, avg } = aggregates;
// refused: A materialised view sees repeated rows: a sum would be too high. Sum in a defineRollup.
export const total = sum("attempts");
// refused: A materialised view sees repeated rows: a count would be too high. Count in a defineRollup.
export const events = count();
// refused: A materialised view sees repeated rows: an average would be wrong. Average in a defineRollup.
export const mean = avg("attempts");

export const wrongColumn = defineAggregate("wrong_column", {
  from: loginEvents,
  groupBy: ["outcome"],
  columns: {
    // refused: Type '"att"' is not assignable to type
    first: aggregates.min("att"),
  },
});

export const wrongKey = defineAggregate("wrong_key", {
  from: loginEvents,
  // refused: Type '"user"' is not assignable to type
  groupBy: ["user"],
  columns: { first: aggregates.min("at") },
});
