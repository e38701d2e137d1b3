/** Where no aggregator does what you need, write one: what is kept of no values, how one is added, how two parts become one, what is told. */
import fc from "fast-check";
import { aggregator, defineEvent, defineStream, hours, minutes, pipeline, session } from "headrace";
import { everyLife, type LogEvent, testPipeline } from "headrace/testing";
import { expect, test } from "vitest";
import { z } from "zod";

const loggedIn = defineEvent("shop.logged_in", z.object({ user: z.string(), country: z.string() }), { key: (data) => data.user });
const shopLogins = defineStream("shop-logins", { events: [loggedIn] });
const sighting = z.object({ country: z.string(), since: z.string() });
const travelled = defineEvent("user.travelled", z.object({ user: z.string(), home: z.string(), unusual: z.array(sighting) }));
const travels = defineStream("travels", { events: [travelled] });

/** When each country was first seen, milliseconds. What is kept is JSON: it lies in Redis as long as its window is open. */
type Sightings = Readonly<Record<string, number>>;

/** The earlier time holds, whichever comes first: neither the order of events nor that of parts may matter. */
const seen = (sightings: Sightings, country: string, at: number): Sightings => ({
  ...sightings,
  [country]: Math.min(at, sightings[country] ?? at),
});

/** The countries of a window in the order in which they were first seen: home, and all that the user was not seen with before. */
const countries = aggregator({
  does: "countries by when each was first seen",
  init: (): Sightings => ({}),
  add: (sightings, { data, time }: { readonly data: { readonly country: string }; readonly time: Date }) =>
    seen(sightings, data.country, time.getTime()),
  // An event between two sessions makes them one, and a session's parts are put together in any order.
  merge: (one, other) => Object.entries(other).reduce((all, [country, at]) => seen(all, country, at), one),
  result: (sightings) =>
    Object.entries(sightings)
      .map(([country, at]) => ({ country, since: new Date(at).toISOString() }))
      .toSorted((a, b) => compare(a.since, b.since) || compare(a.country, b.country)),
});

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const travelling = pipeline("travelling")
  // Event time may move on a little between portions: `idleMs: 1` lets windows close in the middle of a test's log.
  .from(shopLogins, { idleMs: 1 })
  .dedupe("once")
  .keyBy((event) => event.data.user)
  .window(session({ gapMs: hours(8), allowedLatenessMs: minutes(30) }))
  .aggregate({ countries })
  .filter("unusual", ({ values }) => values.countries.length > 1)
  .emit(travels, ({ key, values: { countries } }) => {
    const [home, ...unusual] = countries;
    return travelled({ user: key, home: home?.country ?? "", unusual });
  });

const login = (user: string, country: string, time: string) => ({
  ...loggedIn({ user, country }),
  time: new Date(`2026-05-01T${time}Z`),
});
const told = (rows: readonly Readonly<Record<string, unknown>>[] = []) => rows.map((row) => row["data"]);

test("a country that the user was not seen with before is unusual, with the moment at which it was first seen", async () => {
  const run = testPipeline(travelling, { now: new Date("2026-05-01T18:00:00Z") });
  await run.send([
    login("ada", "PT", "08:00:00"),
    login("ada", "PT", "09:00:00"),
    login("ada", "BR", "10:10:00"),
    login("ada", "BR", "10:00:00"),
    login("bob", "PT", "09:30:00"),
  ]);
  const { rows, audit } = await run.advance(hours(24));
  expect(told(rows["to"])).toEqual([
    { user: "ada", home: "PT", unusual: [{ country: "BR", since: "2026-05-01T10:00:00.000Z" }] },
  ]);
  expect(audit).toMatchObject({ read: 5, delivered: 5, late: 0, balanced: true });
});

test("what is kept is there to be looked at while the window is open", async () => {
  const run = testPipeline(travelling, { now: new Date("2026-05-01T12:00:00Z") });
  await run.send([login("ada", "PT", "11:00:00"), login("ada", "BR", "11:20:00")]);
  await run.run();
  expect(JSON.stringify(await run.state("ada"))).toContain(`{"PT":${Date.UTC(2026, 4, 1, 11)},"BR":`);
});

/** Logs to try: two users on their way through three countries, for a day. */
const logs: fc.Arbitrary<readonly LogEvent[]> = fc
  .array(fc.record({ user: fc.constantFrom("ada", "bob"), country: fc.constantFrom("PT", "BR", "NO"), minute: fc.nat(1_400) }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((logins) =>
    logins.map(({ user, country, minute }, i) => ({
      id: `login-${i}`,
      ...loggedIn({ user, country }),
      time: new Date(Date.UTC(2026, 4, 1) + minutes(minute)),
    })),
  );

/** What somebody says who has the whole log before them, in the order of its times. */
function recount(log: readonly LogEvent[]): readonly object[] {
  return ["ada", "bob"].flatMap((user) => {
    const stays: { readonly at: number; readonly country: string }[][] = [];
    for (const { data, time } of log) {
      const { user: of, country } = data as { readonly user: string; readonly country: string };
      if (of !== user) continue;
      const last = stays.at(-1);
      if (last && time.getTime() - (last.at(-1)?.at ?? 0) <= hours(8)) last.push({ at: time.getTime(), country });
      else stays.push([{ at: time.getTime(), country }]);
    }
    return stays.flatMap((stay) => {
      const firsts = stay
        .filter(({ country }, i) => stay.findIndex((other) => other.country === country) === i)
        .toSorted((a, b) => a.at - b.at || compare(a.country, b.country));
      const [home, ...unusual] = firsts.map(({ at, country }) => ({ country, since: new Date(at).toISOString() }));
      return unusual.length > 0 ? [{ user, home: home?.country, unusual }] : [];
    });
  });
}

const texts = (all: readonly unknown[]) => all.map((one) => JSON.stringify(one)).sort();

test("it tells the same in every life: shuffled, repeated, cut anywhere, interrupted anywhere", {
  timeout: 120_000,
}, async () => {
  await everyLife(travelling, { logs, shuffledMs: minutes(25), runs: 60 }, ({ log, run }) => {
    expect(texts(told(run.rows["to"]))).toEqual(texts(recount(log)));
  });
});
