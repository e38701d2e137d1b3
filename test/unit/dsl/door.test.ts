import { describe, expect, it } from "vitest";
import { defineApp } from "../../../src/dsl/app.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { toStream } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { defaultDoor } from "../../../src/plan/door.ts";
import { doorsOf } from "../../../src/plan/doors.ts";
import { thingHappened } from "../../support/things.ts";

describe("the door of a stream", () => {
  const doorOf = (door: object | "closed" | undefined) =>
    defineStream("doors", { events: [thingHappened], ...(door !== undefined && { door: door as never }) }).plan.door;

  it("has the defaults of what it leaves out, and is not there where nothing is said", () => {
    expect(doorOf({ maxEvents: 5 })).toEqual({ ...defaultDoor, maxEvents: 5 });
    expect(doorOf(undefined)).toBeUndefined();
    expect(doorOf("closed")).toBe("closed");
  });

  it.each([
    [{ maxEvents: 0 }, "maxEvents is 0"],
    [{ maxEventBytes: 262_145 }, "maxEventBytes is 262145"],
    [{ origins: ["https://shop.example/"] }, "origins is https://shop.example/"],
    [{ origins: ["*"] }, "origins is *"],
    [{ durability: "disk" }, 'durability is "disk"'],
    [{ limit: 7 }, "there is no 'limit'"],
  ])("refuses %j", (door, message) => {
    expect(() => doorOf(door)).toThrow(`stream 'doors': door: ${message}`);
  });

  it("is open where no pipeline writes the stream and nobody closes it, and as the stream says", () => {
    const streamOf = (name: string, door?: object) => defineStream(name, { events: [thingHappened], ...door });
    const [open, own, closed, written, told] = [
      streamOf("open"),
      streamOf("own", { door: { maxEvents: 5 } }),
      streamOf("closed", { door: "closed" }),
      streamOf("written"),
      streamOf("told", { door: {} }),
    ] as const;
    const adopted = defineStream("adopted", { events: [thingHappened], adopt: "theirs" });
    const again = (source: typeof open, target: typeof open) =>
      pipeline(`${source.plan.name}-again`)
        .from(source)
        .map("again", ({ data }) => thingHappened(data))
        .to(toStream(target), (draft) => draft);
    const pipelines = [again(open, written), again(own, told), again(closed, written), again(adopted, written)];
    expect(doorsOf(defineApp({ pipelines }).plan).map(([{ name }, { maxEvents }]) => [name, maxEvents])).toEqual([
      ["open", 1_000],
      ["own", 5],
      ["told", 1_000],
    ]);
  });
});
