import { describe, expect, it } from "vitest";
import { generateDay } from "../../demo/day.ts";
import type { DemoEvent, Emission, LoginEvent } from "../../demo/emission.ts";

interface Sent {
  readonly stream: string;
  readonly event: DemoEvent;
}

/** The valid events of a day in sending order, read back from what was sent and from nothing else. */
function readBack(emissions: readonly Emission[]): Sent[] {
  return emissions.flatMap((emission, index): Sent[] => {
    if (emission.kind === "event") return [{ stream: emission.stream, event: emission.event }];
    if (emission.expect !== "row") return [];
    const { data = "", ...attributes } = emission.fields;
    const parsed = "type" in attributes ? { ...attributes, data: JSON.parse(data) } : JSON.parse(data);
    const event = { ...parsed, id: parsed.id ?? `entry ${index}`, time: new Date(parsed.time) } as DemoEvent;
    return [{ stream: emission.stream, event }];
  });
}

describe.each([1, 2, 3])("the truth of a day with seed %i, counted again from the list of everything sent", (seed) => {
  const day = generateDay({ events: 12_000, seed, dayStart: new Date("2026-11-23T00:00:00Z") });
  const emissions = [...day.emissions];
  const truth = day.truth();
  const sent = readBack(emissions);
  const byId = new Map([...sent].reverse().map((one) => [one.event.id, one.event]));
  const unique = [...byId.values()];
  const logins = unique.filter((event): event is LoginEvent => event.type.startsWith("login."));
  const ofType = <T extends LoginEvent["type"]>(type: T) =>
    logins.filter((event): event is Extract<LoginEvent, { type: T }> => event.type === type);
  const succeeded = ofType("login.succeeded");
  const failed = ofType("login.failed");
  const ended = ofType("login.ended");

  it("has the same totals", () => {
    expect(truth).toMatchObject({
      produced: emissions.length,
      unique: unique.length,
      duplicates: sent.length - unique.length,
      invalid: emissions.length - sent.length,
      loginRows: logins.length,
      logins: succeeded.length,
      failed: failed.length,
      ended: ended.length,
      cartRows: unique.filter((event) => event.type.startsWith("cart.") && event.type !== "cart.checkout_requested").length,
    });
    expect([...truth.flaws.values()].reduce((sum, n) => sum + n, 0)).toBe(truth.invalid);
  });

  it("calls late what was sent first after something over ten minutes newer of its stream", () => {
    // From the newest event down: what is over ten minutes newer is known, and where in its stream the first of it was sent.
    let late = 0;
    for (const stream of new Set(sent.map((one) => one.stream))) {
      const own = sent.map((one, index) => ({ ...one, index })).filter((one) => one.stream === stream);
      const down = own.toSorted((a, b) => b.event.time.getTime() - a.event.time.getTime());
      const firstSent = new Map(own.toReversed().map((one) => [one.event.id, one.index]));
      let newer = 0;
      let earliestNewer = Infinity;
      for (const { event, index } of down) {
        for (
          let next = down[newer];
          next !== undefined && next.event.time.getTime() > event.time.getTime() + 600_000;
          next = down[newer]
        ) {
          earliestNewer = Math.min(earliestNewer, next.index);
          newer += 1;
        }
        if (firstSent.get(event.id) === index && earliestNewer < index) late += 1;
      }
    }
    expect(truth.late).toBe(late);
    expect(truth.late).toBeGreaterThan(50);
  });

  it("has the same sessions and the same median", () => {
    const pair = (event: { readonly data: { readonly userId: string; readonly sessionId: string } }) =>
      `${event.data.sessionId} of ${event.data.userId}`;
    const begin = new Map(succeeded.map((event) => [pair(event), event.time.getTime()]));
    const lengths = ended.map((event) => event.time.getTime() - (begin.get(pair(event)) ?? Number.NaN)).sort((a, b) => a - b);
    expect(lengths.every((length) => length > 0)).toBe(true);
    expect(new Set(ended.map(pair)).size).toBe(ended.length);
    expect(truth.sessions).toBe(begin.size);
    expect(truth.sessionsEnded).toBe(lengths.length);
    expect(truth.medianSessionMs).toBe(lengths[Math.floor(lengths.length / 2)]);
  });

  it("has the same hours and the same days of its sampled users", () => {
    const hours = new Map<string, number>();
    const users = new Map<string, number>();
    for (const event of [...succeeded, ...failed]) {
      const stamp = event.time.toISOString();
      const hour = `${stamp.slice(0, 13)} ${event.type}`;
      hours.set(hour, (hours.get(hour) ?? 0) + 1);
      const user = `${event.data.userId} ${stamp.slice(0, 10)} ${event.type}`;
      if (truth.sampledUsers.includes(event.data.userId)) users.set(user, (users.get(user) ?? 0) + 1);
    }
    const told = (entries: readonly (readonly [string, { readonly logins: number; readonly failed: number }])[]) =>
      new Map(
        entries
          .flatMap(([key, n]) => [[`${key} login.succeeded`, n.logins] as const, [`${key} login.failed`, n.failed] as const])
          .filter(([, n]) => n > 0),
      );
    expect(told([...truth.byHour].map(([hour, n]) => [new Date(hour).toISOString().slice(0, 13), n]))).toEqual(hours);
    expect(
      told([...truth.byUserDay].flatMap(([user, days]) => [...days].map(([date, n]) => [`${user} ${date}`, n] as const))),
    ).toEqual(users);
  });

  it("has the same attempts by method and the same changes of carts by hour", () => {
    const grouped = (keyOf: (event: (typeof unique)[number]) => unknown) => {
      const groups = new Map<string, (typeof unique)[number][]>();
      for (const event of unique) {
        const key = `${Math.floor(event.time.getTime() / 3_600_000) * 3_600_000} ${keyOf(event)}`;
        groups.set(key, [...(groups.get(key) ?? []), event]);
      }
      return (key: string) => groups.get(key) ?? [];
    };
    const [byMethod, byType] = [grouped(({ data }) => "method" in data && data.method), grouped(({ type }) => type)];
    for (const [key, counts] of truth.byHourAndMethod) {
      const logins = byMethod(key).filter((event) => event.type === "login.succeeded").length;
      expect(counts).toEqual({ logins, failed: byMethod(key).length - logins });
    }
    for (const [key, counts] of truth.cartsByHour) {
      const quantity = byType(key).reduce((sum, { data }) => sum + ("quantity" in data ? data.quantity : 0), 0);
      const carts = new Set(byType(key).map(({ data }) => ("cartId" in data ? data.cartId : "")));
      expect(counts).toEqual({ events: byType(key).length, quantity, carts });
    }
    const sum = (counts: Iterable<{ readonly logins: number; readonly failed: number }>) =>
      [...counts].reduce((total, { logins, failed }) => total + logins + failed, 0);
    expect(sum(truth.byHourAndMethod.values())).toBe(truth.logins + truth.failed);
    expect([...truth.cartsByHour.values()].reduce((total, { events }) => total + events, 0)).toBe(truth.cartRows);
  });

  it("has the same bursts", () => {
    const bursts: string[] = [];
    for (const kind of ["user", "address"] as const) {
      const subjectOf = (event: (typeof failed)[number]) => (kind === "user" ? event.data.userId : event.data.ip);
      for (const subject of new Set(failed.map(subjectOf))) {
        const times = failed
          .filter((event) => subjectOf(event) === subject)
          .map((event) => event.time.getTime())
          .sort((a, b) => a - b);
        // Cut where a gap is too wide; what is left in one piece and has five is a burst.
        const starts = times.flatMap((time, n) => (n === 0 || time - (times[n - 1] as number) > 300_000 ? [n] : []));
        for (const [n, start] of starts.entries()) {
          const run = times.slice(start, starts[n + 1]);
          if (run.length >= 5) bursts.push(`${kind} ${subject} ${run[0]} ${run.at(-1)} ${run.length}`);
        }
      }
    }
    const told = truth.attacks.map(
      (one) => `${one.kind} ${one.subject} ${one.since.getTime()} ${one.until.getTime()} ${one.failures}`,
    );
    expect(told.sort()).toEqual(bursts.sort());
    expect(bursts.length).toBeGreaterThan(20);
  });

  it("has the same orders, to the cent", () => {
    const told = new Map([...truth.orders].map(([id, { outcome, totalCents }]) => [id, `${outcome} ${totalCents}`]));
    const counted = new Map<string, string>();
    const carts = unique.filter((event) => event.type.startsWith("cart.")).sort((a, b) => a.time.getTime() - b.time.getTime());
    for (const checkout of carts) {
      if (checkout.type !== "cart.checkout_requested") continue;
      const own = carts.filter((event) => "cartId" in event.data && event.data.cartId === checkout.data.cartId);
      const skus = new Set(own.flatMap((event) => ("sku" in event.data ? [event.data.sku] : [])));
      let total = 0;
      let isSoldOut = false;
      for (const sku of skus) {
        const steps = own.filter((event) => "sku" in event.data && event.data.sku === sku);
        const lastSet = steps.findLastIndex((event) => event.type === "cart.quantity_changed");
        const signed = steps
          .slice(Math.max(lastSet, 0))
          .map((event) => ("quantity" in event.data ? event.data.quantity * (event.type === "cart.item_removed" ? -1 : 1) : 0));
        const quantity = signed.reduce((sum, n) => sum + n, 0);
        const added = steps.find((event) => event.type === "cart.item_added");
        total += quantity * (added?.type === "cart.item_added" ? added.data.unitPriceCents : 0);
        isSoldOut ||= sku === "sold-out" && quantity > 0;
      }
      const isRefused = isSoldOut || checkout.data.paymentToken === "tok_declined";
      counted.set(checkout.data.checkoutId, `${isRefused ? "refused" : "placed"} ${total}`);
    }
    expect(told).toEqual(counted);
  });
});
