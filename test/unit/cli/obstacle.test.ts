import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../src/bus/frame.ts";
import type { DeadLetter } from "../../../src/bus/port.ts";
import { obstacle } from "../../../src/cli/dlq/obstacle.ts";
import { defineApp } from "../../../src/dsl/app.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { statefulReader } from "../../../src/plan/keyed-state.ts";
import { deadLetter } from "../../support/dead-letter.ts";
import { type Thing, thingHappened, thingRow, things, thingTable } from "../../support/things.ts";

const source = things();
const derived = defineStream("derived", { events: [thingHappened], partitions: 1 });
const count = {
  key: (event: Thing) => event.data.key,
  initial: 0,
  decide: (_: number, event: Thing) => [event],
  evolve: (state: number) => state + 1,
};
const plain = pipeline("plain")
  .from(source)
  .filter("all", () => true)
  .to(clickhouse(thingTable("plain_rows")), thingRow);
const counting = pipeline("counting")
  .from(source)
  .filter("all", () => true)
  .fold("count", count)
  .to(clickhouse(thingTable("counted")), thingRow);
const deduping = pipeline("deduping")
  .from(source)
  .dedupe("once")
  .fold("count", count)
  .to(clickhouse(thingTable("deduped")), thingRow);
const twice = pipeline("twice")
  .from(source)
  .fold("count", count)
  .fold("again", count)
  .to(clickhouse(thingTable("twice_counted")), thingRow);
const splitting = pipeline("splitting")
  .from(source)
  .flatMap("both", (event) => [event, event])
  .fold("count", count)
  .to(clickhouse(thingTable("split")), thingRow);
const deriving = pipeline("deriving")
  .from(source)
  .emit(derived, (event) => ({ type: "thing.happened", data: event.data }));
const downstream = pipeline("downstream")
  .from(derived)
  .fold("count", count)
  .to(clickhouse(thingTable("downstream_rows")), thingRow);
const app = defineApp({ pipelines: [plain, counting, deduping, twice, splitting, deriving, downstream] }).plan;

const found = (letter: Partial<DeadLetter>) => deadLetter({ pipeline: "plain", ...letter });

describe("the dead letters that should not be replayed", () => {
  it("are not those of a pipeline without state, wherever they were set aside", () => {
    for (const stage of ["decode", "delivery", "admit", "stages", "route", "sink:to"])
      expect(obstacle(app, found({ stage }), false), stage).toBeUndefined();
  });

  it("are those whose event the state may have taken before it was set aside", () => {
    for (const stage of ["decode", "delivery", "admit", "count"])
      expect(obstacle(app, found({ pipeline: "counting", stage }), false), stage).toBeUndefined();
    for (const stage of ["stages", "route", "sink:to"]) {
      expect(obstacle(app, found({ pipeline: "counting", stage }), false), stage).toMatch(
        /state of 'counting' may have taken it already: add --state-again/,
      );
      expect(obstacle(app, found({ pipeline: "counting", stage }), true), stage).toBeUndefined();
    }
  });

  it("are not those that the only state on the way refused, since it could not be read", () => {
    const unreadable = (pipeline: string) => found({ pipeline, stage: "stages", reason: "state-unreadable" });
    for (const pipeline of ["counting", "deduping"]) expect(obstacle(app, unreadable(pipeline), false), pipeline).toBeUndefined();
    for (const pipeline of ["twice", "splitting"])
      expect(obstacle(app, unreadable(pipeline), false), pipeline).toMatch(/may have taken it already/);
  });

  it("are not those of the first fold, also behind a dedupe: that forgets them", () => {
    expect(obstacle(app, found({ pipeline: "deduping", stage: "count" }), false)).toBeUndefined();
    expect(obstacle(app, found({ pipeline: "deduping", stage: "route" }), false)).toMatch(/may have taken it already/);
    expect(obstacle(app, found({ pipeline: "twice", stage: "again" }), false)).toMatch(/may have taken it already/);
  });

  it("are those of which another destination may have told a pipeline that keeps state", () => {
    expect(obstacle(app, found({ pipeline: "deriving", stage: "sink:to" }), false)).toMatch(/state of 'downstream'/);
    expect(obstacle(app, found({ pipeline: "deriving", stage: "admit" }), false)).toBeUndefined();
  });

  it("are those of a pipeline that is gone or reads another stream", () => {
    expect(obstacle(app, found({ pipeline: "gone" }), false)).toBe("no pipeline 'gone' reads 'things' any more");
    expect(obstacle(app, found({ pipeline: "downstream" }), false)).toBe("no pipeline 'downstream' reads 'things' any more");
  });

  it("are those that came too late for a stage, as long as it is there", () => {
    const late = { pipeline: "counting", stage: "count", reason: "late" };
    expect(obstacle(app, found(late), true)).toMatch(/^what 'count' made of its time is final: it would be late again/);
    expect(obstacle(app, found({ ...late, stage: "former" }), true)).toBeUndefined();
  });

  it("are those of which nothing is left", () => {
    expect(obstacle(app, found({ original: undefined, stage: "decode", reason: "trimmed" }), true)).toMatch(/nothing was kept/);
  });

  it("are those of a single event that could only be kept as its whole frame", () => {
    const { body, checksum } = encodeFrame([]);
    const fields = Object.entries({ v: "1", pid: "p", inc: "1", fs: "0", n: "3", c: "j", t0: "0", t1: "0", h: checksum });
    const frame = [...fields.map(([name, value]) => [name, Buffer.from(value)] as const), ["d", body] as const];
    expect(obstacle(app, found({ original: undefined, fields: frame }), false)).toMatch(/nests too deeply/);
    expect(obstacle(app, found({ original: undefined, fields: frame, stage: "delivery" }), false)).toBeUndefined();
  });
});

describe("a pipeline whose events reach keyed state", () => {
  it("is one that keeps it, and one whose derived events another keeps it of", () => {
    expect(statefulReader(app, plain.plan)).toBeUndefined();
    expect(statefulReader(app, counting.plan)?.name).toBe("counting");
    expect(statefulReader(app, deriving.plan)?.name).toBe("downstream");
  });

  it("is found where streams go in a circle", () => {
    const [a, b] = ["a", "b"].map((name) => defineStream(name, { events: [thingHappened], partitions: 1 })) as [
      typeof derived,
      typeof derived,
    ];
    const circle = [
      pipeline("there")
        .from(a)
        .emit(b, (event) => ({ type: "thing.happened", data: event.data })),
      pipeline("back")
        .from(b)
        .emit(a, (event) => ({ type: "thing.happened", data: event.data })),
    ] as const;
    expect(statefulReader(defineApp({ pipelines: circle }).plan, circle[0].plan)).toBeUndefined();
  });
});
