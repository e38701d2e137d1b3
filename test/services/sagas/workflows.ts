import { type BoundedCalls, saga } from "headrace/saga";
import type { LedgerActivities } from "./ledger.ts";

export interface TripInput {
  readonly gift?: boolean;
  readonly letter?: boolean;
}

/** A saga with every kind of step. */
export const trip = tripOf("trip");

/** The same, which gives up calls soon. */
export const hastyTrip = tripOf("hastyTrip", {
  scheduleToCloseTimeout: "5s",
  retry: { initialInterval: "100ms", backoffCoefficient: 1 },
});

/** A saga whose undo knows the result, where there is one, and whose first step beats its heart. */
export const parcel = parcelOf("parcel", "5m");

/** The same, which gives up soon. */
export const hastyParcel = parcelOf("hastyParcel", "5s");

function tripOf<const Name extends string>(name: Name, calls: BoundedCalls = {}) {
  return saga<TripInput, LedgerActivities>(name)
    .step("hold", { do: ({ key, call }) => call.act(key), undo: ({ key, call }) => call.undo(key), calls })
    .guarded("gift", ({ input }) => input.gift === true, {
      do: ({ key, call }) => call.act(key),
      undo: ({ key, call }) => call.undo(key),
    })
    .read("quote", ({ key, call }) => call.look(key))
    .parallel((side) =>
      side
        .step("flight", { do: ({ key, call }) => call.act(key), undo: ({ key, call }) => call.undo(key), calls })
        .step("hotel", { do: ({ key, call }) => call.act(key), undo: ({ key, call }) => call.undo(key) }),
    )
    .pivot("book", { do: ({ key, call }) => call.act(key), undo: ({ key, call }) => call.undo(key) })
    .then("capture", ({ keyOf, key, call }) => call.act(key, keyOf("flight")))
    .guarded(
      "letter",
      ({ input }) => input.letter === true,
      ({ key, call }) => call.act(key),
    )
    .whenUndone(({ key, refusal, call }) => call.act(key, `${refusal.step} ${refusal.type}`))
    .returns(({ done }) => ({ booked: done.book, flight: done.flight, gift: done.gift ?? null, quote: done.quote }));
}

function parcelOf<const Name extends string>(name: Name, limit: "5m" | "5s") {
  return saga<{ readonly weight: number }, LedgerActivities>(name)
    .step("label", {
      do: ({ key, call }) => call.act(key),
      undo: ({ key, result, call }) => call.undo(key, result ?? "no reply"),
      calls: { startToCloseTimeout: "1m", scheduleToCloseTimeout: limit, heartbeatTimeout: "5s" },
    })
    .pivot("send", { do: ({ key, call }) => call.act(key), undo: ({ key, call }) => call.undo(key) })
    .returns(({ done }) => done.send);
}
