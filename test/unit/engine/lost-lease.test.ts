import { describe, expect, it } from "vitest";
import { deliveryLimits } from "../../../src/bus/port.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { interpose } from "../../support/interpose.ts";
import { thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const things10 = Array.from({ length: 10 }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % 3}`, n, orders: [] }));

describe("a lease that is lost again and again", () => {
  it.each([
    ["its owner lived", false],
    ["its owner lived, also where Redis is away when that would say so", true],
  ])("sets no event aside: %s", async (_, goesAway) => {
    const bench = new Workbench();
    const counted = pipeline("counted").from(stream).to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    let lost = 0;
    let isAway = false;
    const worker = bench.start([counted], {
      bus: interpose(bench.bus, async (call, method) => {
        if (lost === 8) return call();
        if (method === "commit") throw new RetryableError("service.unreachable", "not now");
        if (method === "nack" && isAway) {
          isAway = false;
          throw new RetryableError("service.unreachable", "not now");
        }
        if (method !== "renew") return call();
        lost++;
        isAway = goesAway;
        return false;
      }),
    });
    expect(await bench.drained(counted)).toMatchObject({ read: 10, delivered: 10, deadLettered: {}, balanced: true });
    await worker.stop();
    expect(lost).toBe(8);
  });

  it("sets the event aside that holds its owner up for longer than that", async () => {
    const bench = new Workbench();
    let tries = 0;
    let isWaiting = false;
    const slow = pipeline("slow")
      .from(stream)
      .map("wait", async (event) => {
        if (event.data.n !== 4) return event;
        tries++;
        isWaiting = true;
        await bench.clock.sleep(8_000);
        isWaiting = false;
        return event;
      })
      .dedupe("once")
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    const worker = bench.start([slow], {
      bus: interpose(bench.bus, async (call, method) => (method === "renew" && isWaiting ? false : call())),
    });
    expect(await bench.drained(slow)).toMatchObject({ read: 10, delivered: 9, deadLettered: { "gave-up": 1 }, balanced: true });
    await worker.stop();
    expect(tries).toBe(deliveryLimits.last);
  });
});
