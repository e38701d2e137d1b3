import { describe, expect, it } from "vitest";
import { z } from "zod";
import { days } from "../../../src/core/duration.ts";
import { count, sum } from "../../../src/dsl/aggregators/numbers.ts";
import { distinct } from "../../../src/dsl/aggregators/values.ts";
import { defineEvent } from "../../../src/dsl/event.ts";
import { type Pipeline, pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { session, tumbling } from "../../../src/dsl/window.ts";
import { checkApp } from "../../../src/plan/check.ts";
import { deploy, findChanges } from "../../../src/registry/deployments.ts";
import { createMemoryDeployments } from "../../../src/registry/memory-deployments.ts";
import { type Thing, thingHappened, thingRow, things, thingTable } from "../../support/things.ts";

const appOf = (...pipelines: readonly Pipeline[]) => ({ pipelines: pipelines.map(({ plan }) => plan) });
const table = thingTable("rows");
const stream = things();
const state = z.object({ n: z.number() });

const folding = (name: string, options: object = {}, retired?: readonly string[]) =>
  pipeline("p", retired && { retired })
    .from(stream)
    .fold(name, {
      key: ({ data }: Thing) => data.key,
      state,
      initial: { n: 0 },
      decide: (_, event: Thing) => [event],
      evolve: ({ n }) => ({ n: n + 1 }),
      ...options,
    })
    .to(clickhouse(table), thingRow);

const counting = (
  shape: Parameters<ReturnType<ReturnType<ReturnType<typeof pipeline>["from"]>["keyBy"]>["window"]>[0],
  aggregates: object,
) =>
  pipeline("p")
    .from(stream)
    .keyBy(({ data }: Thing) => data.key)
    .window(shape)
    .aggregate(aggregates as { n: ReturnType<typeof count> })
    .to(clickhouse(table), ({ key, start }) => ({ event_id: "", key, n: 0, at: start }));

/** What is said of `next` where `before` is deployed. */
async function between(before: Pipeline, next: Pipeline) {
  const deployments = createMemoryDeployments();
  await deploy(appOf(before), deployments);
  const findings = await findChanges(appOf(next), deployments);
  const refused = await deploy(appOf(next), deployments).then(
    () => undefined,
    (error: Error) => error.message,
  );
  expect(refused === undefined).toBe(findings.length === 0);
  if (findings[0]) expect(refused).toContain(findings[0].message);
  return findings.map(({ code, where, message, hint }) => ({ code, where, message, hint }));
}

describe("a pipeline that is deployed over another version of itself", () => {
  it("goes on where nothing has changed that its states follow from", async () => {
    expect(await between(folding("cart"), folding("cart", { ttlMs: 60_000, allowedLatenessMs: 5 }))).toEqual([]);
    const moved = tumbling({ sizeMs: 1_000, offsetMs: 3_000 });
    expect(await between(counting(tumbling({ sizeMs: 1_000 }), { n: count() }), counting(moved, { n: count() }))).toEqual([]);
    const early = tumbling({ sizeMs: 1_000, early: true, allowedLatenessMs: 5 });
    expect(await between(counting(tumbling({ sizeMs: 1_000 }), { n: count() }), counting(early, { n: count() }))).toEqual([]);
  });

  it.each(["{", "null", "[]", '{"stages":7}'])("is refused where what was deployed cannot be read: %s", async (text) => {
    const deployments = createMemoryDeployments();
    await deploy(appOf(folding("cart")), deployments);
    const key = "hr:{things:00}:stages:p";
    expect(await deployments.replace(key, await deployments.read(key), text)).toBe(true);
    await expect(deploy(appOf(folding("cart")), deployments)).rejects.toMatchObject({
      name: "ConfigError",
      code: "deployment.incompatible",
      message: expect.stringContaining(key),
      hint: expect.stringContaining(`redis-cli DEL '${key}'`),
    });
    expect(await deployments.read(key)).toBe(text);
  });

  it("is refused where a stage is gone or has another name, unless it is retired", async () => {
    expect(await between(folding("cart"), folding("basket"))).toEqual([
      {
        code: "stage-gone",
        where: "pipeline 'p', stage 'cart'",
        message: "it keeps states where it was deployed, and is not there any more; new here: 'basket'",
        hint: `Call the stage 'cart' again to go on with its states, or give them up: pipeline("p", { retired: ["cart"] }).`,
      },
    ]);
    expect(await between(folding("cart"), folding("basket", {}, ["cart"]))).toEqual([]);
  });

  it("cannot take a retired name up again, also when the list is empty by then", async () => {
    const deployments = createMemoryDeployments();
    await deploy(appOf(folding("cart")), deployments);
    await deploy(appOf(folding("basket", {}, ["cart"])), deployments);
    await deploy(appOf(folding("basket")), deployments);
    expect(await findChanges(appOf(folding("cart", {}, ["basket"])), deployments)).toMatchObject([{ code: "stage-retired" }]);
    expect(checkApp({ ...appOf(folding("cart", {}, ["cart"])), streams: [] } as never)).toMatchObject([
      { code: "stage-retired" },
    ]);
  });

  it.each([
    ["another size", tumbling({ sizeMs: 1_000 }), tumbling({ sizeMs: 2_000 }), "window: tumbling, 1000 ms → tumbling, 2000 ms"],
    [
      "another offset",
      tumbling({ sizeMs: 1_000 }),
      tumbling({ sizeMs: 1_000, offsetMs: -1 }),
      "window: tumbling, 1000 ms → tumbling, 1000 ms, offset 999 ms",
    ],
    [
      "another zone",
      tumbling({ sizeMs: days(1), timeZone: "Europe/Berlin" }),
      tumbling({ sizeMs: days(1), timeZone: "Europe/Paris" }),
      "window: day, Europe/Berlin → day, Europe/Paris",
    ],
    ["another gap", session({ gapMs: 10 }), session({ gapMs: 20 }), "window: session, gap 10 ms → session, gap 20 ms"],
    ["another kind", tumbling({ sizeMs: 10 }), session({ gapMs: 10 }), "window: tumbling, 10 ms → session, gap 10 ms"],
  ])("is refused where its window has %s", async (_, before, next, message) => {
    const findings = await between(counting(before, { n: count() }), counting(next, { n: count() }));
    expect(findings).toMatchObject([
      { code: "stage-changed", message: `its states are of another form where it was deployed: ${message}` },
    ]);
  });

  it("is refused where its window gathers something else", async () => {
    const window = tumbling({ sizeMs: 1_000 });
    const [more] = await between(
      counting(window, { n: count() }),
      counting(window, { n: count(), keys: distinct(({ data }: Thing) => data.key) }),
    );
    expect(more?.message).toContain("aggregate 'keys': not there → distinct");
    const [other] = await between(counting(window, { n: count() }), counting(window, { n: sum(({ data }: Thing) => data.n) }));
    expect(other?.message).toContain("aggregate 'n': count → sum");
  });

  it("is refused where the states' schema has changed under one version, and where nothing brings them to the new one", async () => {
    const changed = { state: z.object({ n: z.number(), at: z.string() }), initial: { n: 0, at: "" } };
    expect(await between(folding("cart"), folding("cart", changed))).toMatchObject([
      {
        code: "state-version",
        message: "the schema of its states has changed under the same version 1: state.at: not there → required",
      },
    ]);
    expect(await between(folding("cart"), folding("cart", { ...changed, version: 2 }))).toMatchObject([
      { code: "state-version" },
    ]);
    expect(
      await between(folding("cart"), folding("cart", { ...changed, version: 2, migrate: () => ({ n: 0, at: "" }) })),
    ).toEqual([]);
    expect(await between(folding("cart", { version: 2 }), folding("cart"))).toMatchObject([
      { message: "its states are of version 2 where it was deployed, and this code knows 1" },
    ]);
    expect(await between(folding("cart"), folding("cart", { state: state.extend({ at: z.string().optional() }) }))).toEqual([]);
  });
});

describe("a stream that is deployed over another version of itself", () => {
  const reading = (...events: Parameters<typeof defineStream>[1]["events"]) =>
    pipeline("p")
      .from(defineStream("things", { events }))
      .to(clickhouse(table), () => ({ event_id: "", key: "", n: 0, at: new Date() }));
  const happened = (schema: z.ZodType, options: object = {}) => defineEvent("thing.happened", schema, options);
  const v1 = z.object({ key: z.string(), n: z.int() });
  const v2 = z.object({ key: z.string(), n: z.int(), unit: z.string() });

  it("is refused where it cannot read what is there, unless the version is raised and each step is said", async () => {
    expect(await between(reading(happened(v1)), reading(happened(v2)))).toEqual([
      {
        code: "schema-incompatible",
        where: "stream 'things', event 'thing.happened'",
        message: "events that are there do not fit its schema: data.unit: not there → required",
        hint: "Take what is there as well, or raise the event's version to 2 and say in 'upcast: { 1: (data) => … }' what becomes of older ones.",
      },
    ]);
    const step = { 1: (data: unknown) => ({ ...(data as object), unit: "" }) };
    expect(await between(reading(happened(v1)), reading(happened(v2, { version: 2 })))).toHaveLength(1);
    expect(await between(reading(happened(v1)), reading(happened(v2, { version: 2, upcast: step })))).toEqual([]);
    expect(await between(reading(happened(v1)), reading(happened(v2, { version: 3, upcast: step })))).toHaveLength(1);
    expect(await between(reading(happened(v2, { version: 2, upcast: step })), reading(happened(v1)))).toMatchObject([
      { message: "it is of version 2 where it was deployed, and this code knows 1" },
    ]);
    expect(await between(reading(happened(v1)), reading(happened(v1.extend({ unit: z.string().optional() }))))).toEqual([]);
  });

  it("is refused where a type of event is gone", async () => {
    const other = defineEvent("thing.vanished", v1);
    expect(await between(reading(thingHappened, other), reading(thingHappened))).toMatchObject([
      { where: "stream 'things', event 'thing.vanished'" },
    ]);
    expect(await between(reading(thingHappened), reading(thingHappened, other))).toEqual([]);
  });
});
