import { describe, expect, it } from "vitest";
import { judge, type Outputs } from "../../chaos/verify.ts";

const clean: Outputs = {
  attempted: 100,
  acknowledged: 100,
  landed: 100,
  setAside: 0,
  waiting: 0,
  lost: 0,
  phantoms: 0,
  visibleDuplicates: 0,
  rawDuplicates: 40,
  places: { next: 140 },
  wrongAggregates: 0,
  deadLetters: [],
  audit: {
    ...{ pipeline: "chaos", read: 100, delivered: 100, dropped: {}, deadLettered: {} },
    ...{ duplicate: 0, late: 0, inFlight: 0, lost: 0, vanished: 0, balanced: true },
  },
  unsettled: undefined,
};
const audit = (change: Partial<Outputs["audit"]>) => ({ audit: { ...clean.audit, ...change } });

describe("the chaos suite's judgement", () => {
  it("finds nothing where all landed once, whatever was written twice under it", () => {
    expect(judge(clean, {})).toEqual([]);
  });

  it.for<[string, Partial<Outputs>, RegExp]>([
    ["nothing acknowledged", { acknowledged: 0, ...audit({ read: 0 }) }, /proves nothing/],
    ["loss", { landed: 97, lost: 3 }, /3 of 100 acknowledged events are lost/],
    ["what was never settled", { landed: 90, waiting: 10, unsettled: "2 pending" }, /10 acknowledged events were not settled/],
    ["phantoms", { phantoms: 1 }, /nobody sent/],
    ["visible duplicates", { visibleDuplicates: 2 }, /twice under FINAL/],
    ["wrong aggregates", { wrongAggregates: 1 }, /differs from their rows/],
    ["disorder", { places: { next: 139, behind: 1 } }, /'behind'/],
    ["gaps", { places: { next: 139, gap: 1 } }, /'gap'/],
    ["a state that moved twice", { places: { next: 139, again: 1 } }, /'again'/],
    ["a state that was lost", { places: { next: 139, resumed: 1 } }, /'resumed'/],
    ["an audit that does not balance", audit({ balanced: false }), /not balanced/],
    ["events in flight", audit({ inFlight: 3 }), /in flight/],
    ["a ledger that counted twice", audit({ read: 101 }), /has read 101/],
    ["dead letters", audit({ deadLettered: { schema: 1 } }), /set aside/],
  ])("sees %s", ([, change, sentence]) => {
    const faults = judge({ ...clean, ...change }, {});
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(sentence);
  });

  it("takes loss that somebody made only when the audit says so", () => {
    const trimmed = { ...clean, landed: 90, lost: 10, ...audit({ read: 90 }) };
    expect(judge(trimmed, { lost: 10, read: 90 })).toHaveLength(1);
    expect(judge({ ...trimmed, ...audit({ read: 90, lost: 10 }) }, { lost: 10, read: 90 })).toEqual([]);
    expect(judge({ ...trimmed, ...audit({ read: 90, lost: 10 }) }, { lost: 9, read: 90 })).toHaveLength(2);
  });

  it("takes what Redis has lost only when the audit says so", () => {
    const cut = { ...clean, landed: 90, lost: 10, ...audit({ read: 90 }) };
    expect(judge(cut, { vanished: 10, read: 90 })).toHaveLength(1);
    expect(judge({ ...cut, ...audit({ read: 90, vanished: 10 }) }, { vanished: 10, read: 90 })).toEqual([]);
    expect(judge({ ...cut, ...audit({ read: 90, vanished: 10 }) }, { vanished: 11, read: 90 })).toHaveLength(2);
  });

  it("wants to see the loss of a consumer that loses", () => {
    expect(judge(clean, { mustLose: true })).toHaveLength(1);
    expect(judge({ ...clean, landed: 0, lost: 100 }, { mustLose: true })).toHaveLength(1);
    expect(judge({ ...clean, landed: 60, lost: 40 }, { mustLose: true })).toEqual([]);
  });
});
