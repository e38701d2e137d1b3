import { describe, expect, it } from "vitest";
import { type DayOptions, generateDay, startOfYesterday } from "../../demo/day.ts";
import { type DemoEvent, type Emission, flaws } from "../../demo/emission.ts";
import { momentOf } from "../../demo/people.ts";

const dayStart = new Date("2026-11-23T00:00:00Z");
const play = (options: Partial<DayOptions> = {}) => {
  const day = generateDay({ events: 20_000, seed: 1, dayStart, ...options });
  const emissions = [...day.emissions];
  return { emissions, truth: day.truth() };
};
const produced = (emissions: readonly Emission[]): DemoEvent[] =>
  emissions.flatMap((emission): DemoEvent[] => (emission.kind === "event" ? [emission.event] : []));

describe("a generated day", () => {
  const { emissions, truth } = play();
  const events = produced(emissions);

  it("is the same for the same seed and day, and another for another seed, day or size", () => {
    const small = { events: 3_000, seed: 1 };
    const idsOf = (options: Partial<DayOptions>) => produced(play({ ...small, ...options }).emissions).map((event) => event.id);
    expect(JSON.stringify(play(small).emissions)).toBe(JSON.stringify(play(small).emissions));
    const others = [{}, { seed: 2 }, { dayStart: new Date("2026-11-22T00:00:00Z") }, { events: 3_001 }].flatMap((options) => [
      ...new Set(idsOf(options)),
    ]);
    expect(new Set(others).size).toBe(others.length);
  });

  it.each([500, 501, 999, 3_000])(
    "has exactly %i emissions when asked for so many, every flaw and every end of a checkout among them",
    (count) => {
      const small = play({ events: count, seed: count });
      expect(small.emissions).toHaveLength(count);
      expect(small.truth.produced).toBe(count);
      expect(small.truth.invalid).toBe(10);
      expect(small.truth.checkouts).toEqual({ completed: 1, undone: 2 });
    },
  );

  it("is refused when it would be too short for its quotas", () => {
    expect(() => generateDay({ events: 499, seed: 1, dayStart })).toThrow("at least 500");
  });

  it("holds all ten flaws, a thousandth of the day", () => {
    const found = emissions.flatMap((emission) =>
      emission.kind === "raw" && emission.expect === "dead letter" ? [emission.flaw] : [],
    );
    expect(new Set(found)).toEqual(new Set(flaws));
    expect(found).toHaveLength(20);
  });

  it("makes each malformed entry wrong in the way it says", () => {
    const fieldsOf = (flaw: string) => {
      const found = emissions.find(
        (emission) => emission.kind === "raw" && emission.expect === "dead letter" && emission.flaw === flaw,
      );
      return found?.kind === "raw" ? found.fields : {};
    };
    const json = (flaw: string) => JSON.parse(fieldsOf(flaw)["data"] ?? "");
    expect(() => json("not JSON")).toThrow();
    expect(() => json("binary garbage")).toThrow();
    expect(fieldsOf("empty")).toEqual({ data: "" });
    expect(json("no type")).not.toHaveProperty("type");
    expect(json("unknown type").type).toBe("login.teleported");
    expect(typeof json("wrong schema").data.userId).toBe("number");
    expect(json("1970").time).toMatch(/^1970-/);
    expect(fieldsOf("over 256 kB")["data"]?.length).toBeGreaterThan(256 * 1_024);
    expect(fieldsOf("no field data")).not.toHaveProperty("data");
    expect(Array.isArray(json("deep brackets"))).toBe(true);
  });

  it("adds valid plain entries in all three forms: with an id, without one, and as CloudEvents attributes", () => {
    const forms = emissions.flatMap((emission) => {
      if (emission.kind !== "raw" || emission.expect !== "row") return [];
      if (emission.fields["type"] !== undefined) return ["attributes"];
      return ["id" in JSON.parse(emission.fields["data"] ?? "") ? "with id" : "without id"];
    });
    expect(new Set(forms)).toEqual(new Set(["attributes", "with id", "without id"]));
    expect(forms.length).toBeGreaterThan(100);
  });

  it("has its share of duplicates and late events", () => {
    expect(truth.duplicates / truth.produced).toBeGreaterThan(0.015);
    expect(truth.duplicates / truth.produced).toBeLessThan(0.025);
    expect(truth.late / truth.produced).toBeGreaterThan(0.007);
    expect(truth.late / truth.produced).toBeLessThan(0.02);
  });

  it("has a failed login for every few that succeed, sessions of minutes to hours, and one in eight without an end", () => {
    expect(truth.failed / truth.logins).toBeGreaterThan(0.3);
    expect(truth.failed / truth.logins).toBeLessThan(1.2);
    expect(truth.sessionsEnded / truth.sessions).toBeCloseTo(0.875, 1);
    expect((truth.medianSessionMs ?? 0) / 60_000).toBeCloseTo(22, -1);
  });

  it("has attacks on users and from addresses, near misses that are none, and empty user names", () => {
    const kinds = truth.attacks.map((attack) => attack.kind);
    expect(kinds.filter((kind) => kind === "user").length).toBeGreaterThan(10);
    expect(kinds.filter((kind) => kind === "address").length).toBeGreaterThan(10);
    expect(Math.min(...truth.attacks.map((attack) => attack.failures))).toBe(5);
    expect(play({ events: 40_000 }).truth.byUserDay.get("")?.size).toBe(1);
  });

  it("has a tenth of the checkouts declined and a twentieth sold out, at most 200 however long it is", () => {
    expect(truth.orders.size).toBe(20);
    expect(truth.checkouts).toEqual({ completed: 17, undone: 3 });
    const long = generateDay({ events: 210_000, seed: 1, dayStart });
    for (const _ of long.emissions);
    expect(long.truth().checkouts).toEqual({ completed: 170, undone: 30 });
    expect(long.truth().invalid).toBe(210);
  });

  it("spends its activity unequally: the busiest tenth of the users has over a quarter of the logins", () => {
    const byUser = new Map<string, number>();
    for (const event of events) {
      if (event.type === "login.succeeded") byUser.set(event.data.userId, (byUser.get(event.data.userId) ?? 0) + 1);
    }
    const counts = [...byUser.values()].sort((a, b) => b - a);
    const busiest = counts.slice(0, 50).reduce((sum, n) => sum + n, 0);
    expect(busiest / truth.logins).toBeGreaterThan(0.25);
    expect(counts.length).toBeGreaterThan(400);
  });

  it("keeps within the day, but for what began in it and ends the next morning", () => {
    const times = events.map((event) => event.time.getTime() - dayStart.getTime());
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...times)).toBeLessThan(48 * 3_600_000);
    const logins = events
      .filter((event) => event.type === "login.succeeded")
      .map((event) => event.time.getTime() - dayStart.getTime());
    expect(Math.max(...logins)).toBeLessThan(24 * 3_600_000 + 20_000);
    expect(times.some((time) => time > 24 * 3_600_000)).toBe(true);
  });

  it("sends what happens in one cart in the order it happened", () => {
    const last = new Map<string, number>();
    const seen = new Set<string>();
    for (const event of events) {
      if (!("cartId" in event.data) || seen.has(event.id)) continue;
      seen.add(event.id);
      expect(event.time.getTime()).toBeGreaterThan(last.get(event.data.cartId) ?? 0);
      last.set(event.data.cartId, event.time.getTime());
    }
    expect(last.size).toBeGreaterThan(500);
  });
});

describe("momentOf", () => {
  it("runs from midnight to midnight and never back", () => {
    const moments = Array.from({ length: 1_001 }, (_, n) => momentOf(n / 1_000));
    expect(moments[0]).toBe(0);
    expect(moments.at(-1)).toBe(86_399_999);
    for (let n = 1; n < moments.length; n++) expect(moments[n]).toBeGreaterThan(moments[n - 1] as number);
  });
});

describe("startOfYesterday", () => {
  it("is midnight UTC of the day before, also over New Year", () => {
    expect(startOfYesterday(new Date("2026-11-24T23:59:59Z"))).toEqual(new Date("2026-11-23T00:00:00Z"));
    expect(startOfYesterday(new Date("2027-01-01T00:00:00Z"))).toEqual(new Date("2026-12-31T00:00:00Z"));
  });
});
