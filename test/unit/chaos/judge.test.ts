import { describe, expect, it } from "vitest";
import { judgeTakeovers } from "../../chaos/takeover.ts";
import { type DeadLetterLine, judge, type Outputs } from "../../chaos/verify.ts";

const clean: Outputs = {
  attempted: 100,
  acknowledged: 100,
  refused: 0,
  landed: 100,
  setAside: 0,
  waiting: 0,
  lost: 0,
  phantoms: 0,
  visibleDuplicates: 0,
  rawDuplicates: 40,
  unproven: 0,
  places: { next: 140 },
  wrongAggregates: 0,
  deadLetters: [],
  stored: 100,
  audit: {
    ...{ pipeline: "chaos", read: 100, delivered: 100, dropped: {}, deadLettered: {} },
    ...{ emitted: 0, duplicate: 0, late: 0, inFlight: 0, lost: 0, vanished: 0, balanced: true },
  },
  unsettled: undefined,
};
const audit = (change: Partial<Outputs["audit"]>) => ({ audit: { ...clean.audit, ...change } });

const letter = (change: Partial<DeadLetterLine>): DeadLetterLine => ({
  ...{ stage: "decode", reason: "schema", error: "", event: "e1", original: "{}", fields: [] },
  ...change,
});

describe("the chaos suite's judgement", () => {
  it("finds nothing where all landed once, whatever was written twice under it", () => {
    expect(judge(clean, {})).toEqual([]);
  });

  it.for<[string, Partial<Outputs>, RegExp]>([
    ["nothing acknowledged", { acknowledged: 0, ...audit({ read: 0, delivered: 0 }) }, /proves nothing/],
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
    ["a ledger that delivers what nobody has", audit({ delivered: 99 }), /has delivered 99/],
    ["a ledger that drops", audit({ dropped: { "above zero": 2 } }), /has dropped 2/],
    ["a ledger with duplicates", audit({ duplicate: 1 }), /takes for duplicates 1/],
    ["a ledger of what came late", audit({ late: 1 }), /takes for late 1/],
    ["a producer that refuses", { attempted: 300, refused: 200 }, /200 of 300 events were never acknowledged/],
    ["order that is proved by an empty table", { unproven: 100 }, /100 events are in one of the two tables/],
    ["letters that no ledger has counted", { deadLetters: [letter({})] }, /the dead letters hold {"schema":1}/],
  ])("sees %s", ([, change, sentence]) => {
    const faults = judge({ ...clean, ...change }, {});
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(sentence);
  });

  it("takes loss that somebody made only when the audit says so", () => {
    const trimmed = { ...clean, landed: 90, lost: 10, ...audit({ read: 90, delivered: 90 }) };
    expect(judge(trimmed, { lost: 10, read: 90 })).toHaveLength(1);
    expect(judge({ ...trimmed, ...audit({ read: 90, delivered: 90, lost: 10 }) }, { lost: 10, read: 90 })).toEqual([]);
    expect(judge({ ...trimmed, ...audit({ read: 90, delivered: 90, lost: 10 }) }, { lost: 9, read: 90 })).toHaveLength(2);
  });

  it("takes what Redis has lost only when the audit says so", () => {
    const cut = { ...clean, landed: 90, lost: 10, ...audit({ read: 90, delivered: 90 }) };
    expect(judge(cut, { vanished: 10, read: 90 })).toHaveLength(2);
    const told = { ...cut, ...audit({ read: 90, delivered: 90, vanished: 10, balanced: false }) };
    expect(judge(told, { vanished: 10, read: 90 })).toEqual([]);
    expect(judge(told, { vanished: 11, read: 90 })).toHaveLength(2);
    expect(judge({ ...cut, ...audit({ read: 90, delivered: 90, vanished: 10 }) }, { vanished: 10, read: 90 })).toEqual([
      "the audit is balanced over what has vanished",
    ]);
  });

  it("takes what has landed and is forgotten since only when the audit says so", () => {
    const forgotten = { ...clean, ...audit({ vanished: 40, balanced: false }) };
    expect(judge(forgotten, { forgotten: 40 })).toEqual([]);
    expect(judge(forgotten, { forgotten: 41 })).toHaveLength(1);
    expect(judge(forgotten, {})).toHaveLength(1);
  });

  it("takes dead letters that are expected, where the ledger and the letters hold as many events", () => {
    const whole = letter({ reason: "undecodable", original: null, fields: [{ name: "n", text: "7" }] });
    const of = (n: number) => ({ deadLettered: { undecodable: n }, refused: 7, read: 107, delivered: 100 });
    const aside = { ...clean, attempted: 107, refused: 7, ...audit({ read: 107, deadLettered: { undecodable: 7 } }) };
    expect(judge({ ...aside, deadLetters: [whole] }, of(7))).toEqual([]);
    expect(judge({ ...aside, deadLetters: [whole] }, of(6))).toHaveLength(1);
    expect(judge(aside, of(7))).toHaveLength(1);
  });

  it("takes what was stored twice for read twice", () => {
    const twice = { ...clean, stored: 103, ...audit({ read: 103, delivered: 103 }) };
    expect(judge(twice, { read: "stored" })).toEqual([]);
    expect(judge(twice, {})).toHaveLength(2);
    expect(judge({ ...twice, stored: 104 }, { read: "stored" })).toHaveLength(2);
  });

  it("holds takeovers to the lease and two seconds, and a successor that comes later to two", () => {
    const standBy = { readyAfterMs: -5_000, slowness: 1, queuedMs: 0 };
    expect(
      judgeTakeovers(
        [3_000, 12_000].map((ms) => ({ ...standBy, ms })),
        10_000,
      ),
    ).toEqual([]);
    expect(judgeTakeovers([{ ...standBy, ms: 12_400 }], 10_000)).toEqual([
      expect.stringMatching(/took 12\.4 s, .* 12\.0 s are promised/),
    ]);
    expect(judgeTakeovers([{ ...standBy, ms: 6_100 }], 4_000)).toHaveLength(1);
    expect(judgeTakeovers([{ ms: 17_900, readyAfterMs: 16_000, slowness: 1, queuedMs: 0 }], 10_000)).toEqual([]);
    expect(judgeTakeovers([{ ms: 18_100, readyAfterMs: 16_000, slowness: 1, queuedMs: 0 }], 10_000)).toHaveLength(1);
    // Four processes for each core: what is computed takes four times as long, and the lease does not.
    expect(judgeTakeovers([{ ...standBy, ms: 17_900, slowness: 4 }], 10_000)).toEqual([]);
    expect(judgeTakeovers([{ ...standBy, ms: 18_100, slowness: 4 }], 10_000)).toHaveLength(1);
    // Nor does a worker that has no core.
    expect(judgeTakeovers([{ ...standBy, ms: 19_900, slowness: 4, queuedMs: 2_000 }], 10_000)).toEqual([]);
    expect(judgeTakeovers([{ ...standBy, ms: 20_100, slowness: 4, queuedMs: 2_000 }], 10_000)).toHaveLength(1);
  });

  it("wants to see the loss of a consumer that loses", () => {
    expect(judge(clean, { mustLose: true })).toHaveLength(1);
    expect(judge({ ...clean, landed: 0, lost: 100 }, { mustLose: true })).toHaveLength(1);
    expect(judge({ ...clean, landed: 60, lost: 40 }, { mustLose: true })).toEqual([]);
  });
});
