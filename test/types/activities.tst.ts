import { c, clickhouse, defineEvent, defineState, defineStream, defineTable, pipeline, type StateOf } from "headrace";
import type { ActivityDeps, KeptOf } from "headrace/host";
import { describe, expect, test } from "tstyche";
import { z } from "zod";

interface Seat {
  readonly holder: string;
}
const held = defineEvent("seat.held", z.object({ seat: z.string(), holder: z.string() }), { key: ({ seat }) => seat });
const freed = defineEvent("seat.freed", z.object({ seat: z.string() }), { key: ({ seat }) => seat });
const sold = defineEvent("ticket.sold", z.object({ ticket: z.string() }));
const seats = defineStream("seats", { events: [held, freed] });
const seat = defineState<Seat>("seat", { pipeline: "seats" });
declare const deps: ActivityDeps;

describe("a declared state", () => {
  const rows = clickhouse(defineTable("seats", { columns: { event_id: c.uuid() }, orderBy: ["event_id"] }));
  const options = { key: () => "", decide: () => [], evolve: (state: Seat) => state };

  test("is that of the fold that is given it", () => {
    pipeline("seats")
      .from(seats)
      .fold(seat, {
        key: ({ data }) => data.seat,
        initial: { holder: "" },
        decide: (state, event) => {
          expect(state).type.toBe<Seat>();
          return [event];
        },
        evolve: (state) => state,
      })
      .to(rows, ({ id }) => ({ event_id: id }));
    expect<StateOf<typeof seat>>().type.toBe<Seat>();
  });

  test("is not that of a fold of another state", () => {
    expect(pipeline("seats").from(seats).fold).type.toBeCallableWith(seat, { ...options, initial: { holder: "" } });
    expect(pipeline("seats").from(seats).fold).type.not.toBeCallableWith(seat, { ...options, initial: { owner: "" } });
  });
});

describe("activities", () => {
  test("get what a fold keeps by its type", () => {
    expect(deps.stateOf(seat, "12a")).type.toBe<Promise<KeptOf<Seat> | undefined>>();
    expect(deps.untilState(seat, "12a", (state) => state?.holder === "ada")).type.toBe<Promise<KeptOf<Seat> | undefined>>();
    expect(deps.statesOf(seat)).type.toBe<AsyncIterable<readonly [key: string, state: Seat, updatedAt: number]>>();
    expect(deps.stateOf).type.not.toBeCallableWith("seats", "12a");
  });

  test("announce what the stream carries, under an id", () => {
    expect(deps.announce(seats, { id: "i", ...freed({ seat: "12a" }) })).type.toBe<Promise<void>>();
    expect(deps.announce(seats, { id: "i", ...held({ seat: "12a", holder: "ada" }, { time: new Date(0) }) })).type.toBe<
      Promise<void>
    >();
    expect(deps.announce).type.not.toBeCallableWith(seats, freed({ seat: "12a" }));
    expect(deps.announce).type.not.toBeCallableWith(seats, { id: "i", ...sold({ ticket: "t" }) });
    expect(deps.announce).type.not.toBeCallableWith(seats, { id: "i", type: "seat.freed", data: { seats: "12a" } });
    expect(deps.announce).type.not.toBeCallableWith("seats", { id: "i", ...freed({ seat: "12a" }) });
  });
});
