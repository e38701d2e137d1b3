import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/bus/port.ts";
import { eventsIn } from "../../../src/engine/source-guard.ts";

const entry = (...fields: readonly string[]): Entry => ({ id: "1-0", fields: fields.map((field) => Buffer.from(field)) });
const frame = (count: string) => entry("v", "1", "pid", "p", "inc", "1", "fs", "0", "n", count, "c", "j");

describe("what a source's limit counts", () => {
  it("is the events that frames announce, and one for any other entry", () => {
    expect(eventsIn([])).toBe(0);
    expect(eventsIn([frame("500"), frame("3")])).toBe(503);
    expect(eventsIn([entry("data", "{}"), frame("7"), entry("type", "login.failed", "data", "{}")])).toBe(9);
  });

  it("is one for an entry that has gone, and for a frame that announces nonsense", () => {
    expect(eventsIn([{ id: "1-0", fields: undefined }, frame("many"), frame("0"), frame("-5")])).toBe(4);
  });
});
