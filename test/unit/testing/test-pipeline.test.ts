import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { carts } from "../../../pipelines/carts.ts";
import { cartCreated, checkoutRequested, itemAdded, loginEnded, loginFailed, loginSucceeded } from "../../../pipelines/events.ts";
import { loginAnalytics } from "../../../pipelines/login-analytics.ts";
import { appLogins, carts as cartStream, logins } from "../../../pipelines/streams.ts";

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
      },
    ]);
    expect(rows["history"]).toHaveLength(3);
    expect(audit).toMatchObject({ read: 4, delivered: 3, dropped: { duplicate: 1 } });
  });

  it("goes on where an earlier run ended", async () => {
    const test = testPipeline(loginAnalytics);
    await test.send([loginFailed({ userId: "eve", ip: "203.0.113.8" })], logins);
    await test.run();
    await test.send([loginFailed({ userId: "eve", ip: "203.0.113.8" })], logins);
    expect((await test.run()).rows["to"]).toHaveLength(2);
  });

  it("asks for the stream where the pipeline reads several", async () => {
    await expect(testPipeline(loginAnalytics).send([loginFailed({ userId: "eve", ip: "::1" })])).rejects.toThrow(
      "reads logins and app-logins",
    );
  });
});
