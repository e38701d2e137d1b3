import { describe, expect, it } from "vitest";
import { type DoorLoad, type DoorState, OutwardBreaker } from "../../../src/collector/pressure.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const calm: DoorLoad = { appends: 0, buffer: 0, bodies: 0, memory: 0, lag: 0 };

function setUp() {
  const clock = new VirtualClock();
  const states: DoorState[] = [];
  let load = calm;
  const breaker = new OutwardBreaker({ clock, logger: silentLogger, load: () => load, onChange: (state) => states.push(state) });
  return {
    clock,
    states,
    breaker,
    now: (change: Partial<DoorLoad>) => {
      load = { ...calm, ...change };
    },
  };
}

describe("the outward breaker", () => {
  it("takes longer as trouble grows, then has events sent again, then refuses requests", async () => {
    const { clock, states, breaker, now } = setUp();
    expect(breaker.meet()).toEqual({ kind: "take", delayMs: 0, isProbe: false });
    now({ memory: 0.5 });
    expect(breaker.meet()).toMatchObject({ delayMs: 0 });
    now({ memory: 0.75, lag: 0.6 });
    expect(breaker.meet()).toEqual({ kind: "take", delayMs: 250, isProbe: false });
    now({ buffer: 1 });
    expect(breaker.meet()).toEqual({ kind: "retry" });
    await clock.advance(999);
    expect(breaker.meet()).toEqual({ kind: "retry" });
    await clock.advance(1);
    expect(breaker.meet()).toEqual({ kind: "refuse", because: "buffer" });
    expect(states).toEqual(["slow", "retry", "shut"]);
  });

  it("is open at once where trouble is over before it was shut", async () => {
    const { clock, states, breaker, now } = setUp();
    now({ appends: 2 });
    breaker.meet();
    await clock.advance(500);
    now({});
    expect(breaker.meet()).toMatchObject({ kind: "take" });
    now({ appends: 2 });
    // What was full before does not count.
    await clock.advance(600);
    expect(breaker.meet()).toEqual({ kind: "retry" });
    expect(states).toEqual(["retry", "open", "retry"]);
  });

  it("lets a probe through each second once it is shut, and opens when one is stored", async () => {
    const { clock, states, breaker, now } = setUp();
    now({ appends: 1 });
    breaker.meet();
    await clock.advance(1_000);
    expect(breaker.meet()).toMatchObject({ kind: "refuse" });
    await clock.advance(999);
    expect(breaker.meet()).toMatchObject({ kind: "refuse" });
    await clock.advance(1);
    expect(breaker.meet()).toMatchObject({ kind: "take", isProbe: true });
    expect(breaker.meet()).toMatchObject({ kind: "refuse" });
    breaker.probed(false);
    expect(breaker.state).toBe("shut");
    // Calm alone does not open it: nothing is appended while it is shut, so nothing looks slow.
    now({});
    expect(breaker.meet()).toMatchObject({ kind: "refuse" });
    await clock.advance(1_000);
    expect(breaker.meet()).toMatchObject({ isProbe: true });
    breaker.probed(true);
    expect(breaker.meet()).toEqual({ kind: "take", delayMs: 0, isProbe: false });
    expect(states).toEqual(["retry", "shut", "open"]);
  });
});
