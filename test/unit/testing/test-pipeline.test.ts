import { count, defineEvent, defineStream, minutes, pipeline, seconds, session } from "headrace";
import { type PipelineRun, testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { carts } from "../../../pipelines/carts.ts";
import { cartCreated, checkoutRequested, itemAdded, loginEnded, loginFailed, loginSucceeded } from "../../../pipelines/events.ts";
import { loginAnalytics } from "../../../pipelines/login-analytics.ts";
import { appLogins, carts as cartStream, logins } from "../../../pipelines/streams.ts";

const bellRang = defineEvent("bell.rang", z.object({ bell: z.string(), at: z.int() }), { key: (data) => data.bell });
const pealed = defineEvent("bell.pealed", z.object({ times: z.int() }));
const bells = defineStream("bells", { events: [bellRang] });
const heard = defineStream("heard", { events: [bellRang, pealed] });
const now = new Date("2026-05-01T12:00:00Z");
const rang = (second: number) => ({
  ...bellRang({ bell: "big", at: second }),
  time: new Date(now.getTime() - minutes(30) + seconds(second)),
});

const listing = pipeline("listing")
  .from(bells)
  .emit(heard, ({ data }) => bellRang(data));

function ringing(dedupe: boolean) {
  const source = pipeline("ringing").from(bells);
  return (dedupe ? source.dedupe("once") : source)
    .keyBy((event) => event.data.bell)
    .window(session({ gapMs: minutes(1) }))
    .aggregate({ times: count() })
    .emit(heard, ({ values }) => pealed(values));
}

const timesIn = ({ rows }: PipelineRun) => rows["to"]?.map((row) => (row["data"] as { readonly times: number }).times);

describe("testPipeline", () => {
  it("makes the rows that the pipeline would write, and counts every event", async () => {
    const test = testPipeline(loginAnalytics);
    const session = { userId: "ada", sessionId: "s1" };
    await test.send(
      [loginSucceeded({ ...session, ip: "203.0.113.7" }), loginFailed({ userId: "eve", ip: "203.0.113.8" }), loginEnded(session)],
      logins,
    );
    test.add({ data: "not json" }, appLogins);
    const { rows, deadLetters, audit } = await test.run();
    expect(rows["to"]?.map(({ user_id, outcome }) => [user_id, outcome]).sort()).toEqual([
      ["ada", "ended"],
      ["ada", "success"],
      ["eve", "failure"],
    ]);
    expect(deadLetters.map(({ reason }) => reason)).toEqual(["not-json"]);
    expect(audit).toMatchObject({ read: 4, delivered: 3, deadLettered: { "not-json": 1 }, inFlight: 0, balanced: true });
  });

  it("sends each value where the route decides, with the state that the fold kept", async () => {
    const test = testPipeline(carts);
    const cart = { cartId: "c1" };
    const tea = { id: "add-tea", ...itemAdded({ ...cart, sku: "tea", quantity: 2, unitPriceCents: 450 }) };
    await test.send(
      [cartCreated({ ...cart, userId: "ada" }), tea, tea, checkoutRequested({ ...cart, checkoutId: "k1", paymentToken: "tok" })],
      cartStream,
    );
    const { rows, audit } = await test.run();
    expect(rows["checkout"]).toEqual([
      {
        ...cart,
        checkoutId: "k1",
        paymentToken: "tok",
        userId: "ada",
        lines: [{ sku: "tea", quantity: 2, unitPriceCents: 450 }],
        version: 3,
      },
    ]);
    expect(rows["history"]).toHaveLength(3);
    expect(audit).toMatchObject({ read: 4, delivered: 3, dropped: {}, duplicate: 1 });
  });

  it("goes on where an earlier run ended", async () => {
    const test = testPipeline(loginAnalytics);
    await test.send([loginFailed({ userId: "eve", ip: "203.0.113.8" })], logins);
    await test.run();
    await test.send([loginFailed({ userId: "eve", ip: "203.0.113.8" })], logins);
    expect((await test.run()).rows["to"]).toHaveLength(2);
  });

  it("stores all of it again: what knows events by their ids makes nothing new of them, and what does not, counts twice", async () => {
    const once = testPipeline(ringing(true), { now });
    const twice = testPipeline(ringing(false), { now });
    for (const test of [once, twice]) {
      await test.send([rang(0), rang(10), rang(20)]);
      await test.run();
      test.redeliver();
    }
    const known = await once.advance(minutes(60));
    expect(timesIn(known)).toEqual([3]);
    expect(known.audit).toMatchObject({ read: 6, delivered: 3, duplicate: 3, inFlight: 0, balanced: true });
    const unknown = await twice.advance(minutes(60));
    expect(timesIn(unknown)).toEqual([6]);
    expect(unknown.audit).toMatchObject({ read: 6, delivered: 6, duplicate: 0, balanced: true });
  });

  it("stores entries of other programs again as they are", async () => {
    const test = testPipeline(loginAnalytics);
    const data = { userId: "eve", ip: "203.0.113.8" };
    test.add({ data: JSON.stringify({ id: "one", type: "login.failed", data }) }, appLogins);
    test.redeliver();
    const { rows, audit } = await test.run();
    expect(rows["to"]).toHaveLength(1);
    expect(audit).toMatchObject({ read: 2, delivered: 1, duplicate: 1, balanced: true });
  });

  it("stores events out of the order of their times, within what is allowed, and the same for the same seed", async () => {
    const orders = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        const test = testPipeline(listing, { now });
        test.reorder({ withinMs: seconds(30), seed });
        await test.send(Array.from({ length: 20 }, (_, i) => rang(i * 5)));
        const { rows } = await test.run();
        return rows["to"]?.map((row) => (row["data"] as { readonly at: number }).at) ?? [];
      }),
    );
    const [first = [], again, other] = orders;
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i * 5));
    const late = first.map((at, i) => Math.max(...first.slice(0, i + 1)) - at);
    expect(Math.max(...late)).toBeGreaterThan(0);
    expect(Math.max(...late)).toBeLessThanOrEqual(30);
  });

  it("reorders the next send alone, and refuses what is no duration", async () => {
    const test = testPipeline(listing, { now });
    test.reorder({ withinMs: seconds(30) });
    await test.send([rang(0)]);
    await test.send(Array.from({ length: 20 }, (_, i) => rang(i * 5)));
    const { rows } = await test.run();
    expect(rows["to"]?.slice(1).map((row) => (row["data"] as { readonly at: number }).at)).toEqual(
      Array.from({ length: 20 }, (_, i) => i * 5),
    );
    test.reorder({ withinMs: 0 });
    await expect(test.send([rang(0)])).rejects.toThrow("withinMs is 0");
  });

  it("asks for the stream where the pipeline reads several", async () => {
    await expect(testPipeline(loginAnalytics).send([loginFailed({ userId: "eve", ip: "::1" })])).rejects.toThrow(
      "reads logins and app-logins",
    );
  });
});
