import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NameStore } from "../../../src/bus/known-names.ts";
import { MemoryNames } from "../../../src/bus/memory/names.ts";
import type { Fence } from "../../../src/bus/port.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import { KnownNames } from "../../../src/state/known-names.ts";

const fence = {} as Fence;
const plan = { rememberMs: 60_000, maxNames: 1_000 };
const start = 1_700_000_000_000;

/** A store, and owners one after another. */
function bench({ rememberMs, maxNames } = plan) {
  const stored = new MemoryNames();
  let now = start;
  const store: NameStore = { names: async (_, pages) => stored.read(pages, now) };
  const open = () => new KnownNames(fence, store, { rememberMs, maxNames });
  let known = open();
  return {
    advance: (ms: number) => {
      now += ms;
    },
    restart: () => {
      known = open();
    },
    async read(
      events: readonly (readonly [id: string, content?: number])[],
      { commits = true, forgets = [] as string[], fails = 0 } = {},
    ) {
      for (let i = 0; i < fails; i++) {
        const failing = await known.draft(now);
        for (const [id, content = 7] of events.slice(i)) failing.take(id, content);
        for (const id of forgets) failing.forget(id);
      }
      const draft = await known.draft(now);
      const namings = events.map(([id, content = 7]) => draft.take(id, content));
      for (const id of forgets) draft.forget(id);
      known.accept(draft);
      const commit = draft.toCommit();
      if (commits && commit) stored.write(commit, now);
      return namings;
    },
    known: () => known,
    now: () => now,
  };
}

const id = (n: number) => uuidOf(`event ${n}`);

describe("the names of events", () => {
  it("are new once: the same again is a duplicate, another content a conflict, also for the next owner", async () => {
    const { read, restart } = bench();
    expect(await read([[id(1)], [id(1)], [id(1), 8], [id(2), 0], [id(2), 0]])).toEqual([
      "new",
      "duplicate",
      "conflict",
      "new",
      "duplicate",
    ]);
    expect(await read([[id(1)], [id(1), 8], [id(3)]])).toEqual(["duplicate", "conflict", "new"]);
    restart();
    expect(await read([[id(1)], [id(1), 8], [id(2), 0], [id(3)], [id(4)]])).toEqual([
      "duplicate",
      "conflict",
      "duplicate",
      "duplicate",
      "new",
    ]);
  });

  it("that no commit made are new to the next owner", async () => {
    const { read, restart } = bench();
    await read([[id(1)]], { commits: false });
    expect(await read([[id(1)]])).toEqual(["duplicate"]);
    restart();
    expect(await read([[id(1)]])).toEqual(["new"]);
  });

  it("of a read that is made again, and of events that were set aside, are new", async () => {
    const { read, known, now, restart } = bench();
    const draft = await known().draft(now());
    expect(draft.take(id(1), 7)).toBe("new");
    expect(await read([[id(1)], [id(2)]], { forgets: [id(2)] })).toEqual(["new", "new"]);
    expect(await read([[id(1)], [id(2)]], { forgets: [id(1)] })).toEqual(["duplicate", "new"]);
    restart();
    expect(await read([[id(1)], [id(2)]])).toEqual(["duplicate", "duplicate"]);
  });

  it("are remembered as long as was promised, and little longer", async () => {
    const { read, advance, restart } = bench();
    for (let s = 0; s < 300; s++) {
      await read([[id(s)]]);
      advance(1_000);
      if (s % 50 === 49) restart();
      if (s < 150) continue;
      expect(await read([[id(s - 58)]])).toEqual(["duplicate"]);
      // Nobody has asked for it since: its page is gone.
      if (s % 50 !== 49) expect(await read([[id(s - 121)]], { forgets: [id(s - 121)] })).toEqual(["new"]);
    }
  });

  it("are remembered as many as was promised, in bounded memory", async () => {
    const { read, restart } = bench();
    for (let n = 0; n < 100; n++) {
      await read(Array.from({ length: 100 }, (_, i) => [id(100 * n + i)]));
      if (n % 30 === 29) restart();
    }
    const last = (back: number) => [id(9_999 - back)] as const;
    expect(await read([0, 1, 500, 998].map(last))).toEqual(["duplicate", "duplicate", "duplicate", "duplicate"]);
    expect(await read([1_700, 5_000, 9_999].map(last))).toEqual(["new", "new", "new"]);
  });

  it("of a read that fails again and again take no room from those that are remembered", async () => {
    const { read } = bench();
    await read([[id(0)]]);
    for (let n = 1; n <= 50; n++) await read([[id(n)]], { fails: 100 });
    expect(await read([[id(0)]])).toEqual(["duplicate"]);
  });

  it("that were set aside twice stay with the read that took them again", async () => {
    const { known, now, read } = bench();
    const first = await known().draft(now());
    first.take(id(1), 7);
    known().accept(first);
    first.forget(id(1));
    expect(await read([[id(1)]])).toEqual(["new"]);
    first.forget(id(1));
    expect(first.toCommit()).toBeUndefined();
    expect(await read([[id(1)]])).toEqual(["duplicate"]);
  });

  it("are told apart whatever kind of UUID they are", async () => {
    const { read } = bench({ ...plan, maxNames: 1_000_000 });
    const digits = (n: number, length: number) => n.toString(16).padStart(length, "0");
    const kinds = [
      (n: number) => `${digits(n, 8)}-1111-1111-8111-111111111111`,
      (n: number) => `11111111-${digits(n % 65_536, 4)}-11${digits(n >> 16, 2)}-8111-111111111111`,
      (n: number) => `11111111-1111-1111-${digits(n % 65_536, 4)}-11111111${digits(n >> 16, 4)}`,
      (n: number) => `11111111-1111-1111-8111-${digits(n, 12)}`,
      () => randomUUID(),
    ];
    for (const kind of kinds) {
      const namings = await read(Array.from({ length: 70_000 }, (_, n) => [kind(n + 2)]));
      expect(namings.filter((naming) => naming !== "new")).toEqual([]);
    }
  });

  it("are what a Map of them says, in whatever order they come, are set aside and lost", async () => {
    const step = fc.record({
      events: fc.array(fc.tuple(fc.nat(30), fc.nat(2)), { maxLength: 20 }),
      forgets: fc.array(fc.nat(30), { maxLength: 3 }),
      fails: fc.nat(2),
      restarts: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { read, restart } = bench();
        const truth = new Map<number, number>();
        for (const { events, forgets, fails, restarts } of steps) {
          const taken = new Set<number>();
          const expected = events.map(([n, content]) => {
            const before = truth.get(n);
            if (before !== undefined) return before === content ? "duplicate" : "conflict";
            truth.set(n, content);
            taken.add(n);
            return "new";
          });
          const given = events.map(([n, content]) => [id(n), content + 2] as const);
          expect(await read(given, { forgets: forgets.map(id), fails })).toEqual(expected);
          for (const n of forgets) if (taken.has(n)) truth.delete(n);
          if (restarts) restart();
        }
      }),
      { numRuns: 200 },
    );
  });
});
