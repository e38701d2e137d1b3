import { expect, it } from "vitest";
import { RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { Outage } from "../../../src/core/outage.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

function open() {
  const clock = new VirtualClock();
  const told: unknown[] = [];
  const say = (level: string) => (fields: object, text: string) => void told.push([`${level}: ${text}`, fields]);
  const logger = { ...silentLogger, warn: say("warn"), info: say("info") };
  return { clock, told, outage: new Outage({ began: "it is away", over: "it answers again" }, { clock, logger }) };
}
const away = new RetryableError("service.unreachable", "no answer", { hint: "Start it." });
const full = new RetryableError("bus.full", "no room");

it("says nothing where nothing has failed", () => {
  const { outage, told } = open();
  outage.over();
  expect(told).toEqual([]);
});

it("tells each kind of failure once, and at the end how long it lasted and how often each came", async () => {
  const { outage, told, clock } = open();
  outage.failed(away, { table: "t" });
  await clock.advance(1_500);
  outage.failed(away, { table: "t" });
  outage.failed(full);
  outage.failed(new Error("odd"));
  await clock.advance(500);
  outage.over({ table: "t" });
  outage.over({ table: "t" });
  expect(told).toEqual([
    ["warn: it is away", { table: "t", error: "no answer", hint: "Start it." }],
    ["warn: it is away", { error: "no room" }],
    ["warn: it is away", { error: "odd" }],
    [
      "info: it answers again",
      { table: "t", lastedMs: 2_000, failures: { "service.unreachable": 2, "bus.full": 1, "unknown": 1 } },
    ],
  ]);
});

it("is a new one behind its end", async () => {
  const { outage, told, clock } = open();
  outage.failed(away);
  outage.over();
  await clock.advance(60_000);
  outage.failed(away);
  await clock.advance(10);
  outage.over();
  expect(told).toHaveLength(4);
  expect(told.at(-1)).toEqual(["info: it answers again", { lastedMs: 10, failures: { "service.unreachable": 1 } }]);
});
