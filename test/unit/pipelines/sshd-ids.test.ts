import type { LineResult } from "headrace";
import { describe, expect, it } from "vitest";
import { sshdReader } from "../../../pipelines/formats/sshd.ts";
import { classic, eventsOf, iso, outcomesOf, sshdLog } from "./sshd-log.ts";

const start = new Date("2025-12-29T00:00:00Z");
const context = { year: 2025 };
/** When a line was written, whatever the year. */
const timeOf = (line: string) =>
  Date.parse(/^\d/.test(line) ? `${line.slice(0, 26)}Z` : `${line.slice(0, 6)} 2025 ${line.slice(7, 15)} UTC`);
const eventsIn = (result: LineResult) => [...(result.settled ?? []), ...(result.kind === "events" ? result.events : [])];
const idsOf = (lines: readonly string[]) => eventsOf(lines, context).map((event) => event.id);

describe.each([
  ["classic", classic],
  ["ISO", iso],
] as const)("a long %s log", (_, stampOf) => {
  const log = sshdLog(6_000, 7, stampOf, start);
  const events = eventsOf(log, context);
  const count = (type: string) => events.filter((event) => event.type === type).length;

  it("has as many logins as grep finds", () => {
    const own = log.filter((line) => / gate sshd(-session)?\[\d+\]: /.test(line));
    const folded = own.map((line) => Number(/: message repeated (\d+) times: \[ Failed /.exec(line)?.[1] ?? 0));
    const failed = own.filter((line) => /\]: Failed /.test(line)).length + folded.reduce((sum, times) => sum + times, 0);
    expect(log.length).toBeGreaterThan(15_000);
    expect(count("login.failed")).toBe(failed);
    expect(count("login.succeeded")).toBe(own.filter((line) => line.includes("]: Accepted ")).length);
    expect(count("login.ended")).toBe(own.filter((line) => line.includes("session closed for user")).length);
    expect(outcomesOf(log, context).filter((outcome) => outcome.kind === "invalid")).toEqual([]);
  });

  it("has every end belong to the one login of its session", () => {
    const logins = events
      .filter((event) => event.type === "login.succeeded")
      .map(({ data }) => `${data["userId"]}/${data["sessionId"]}`);
    const ends = events
      .filter((event) => event.type === "login.ended")
      .map(({ data }) => `${data["userId"]}/${data["sessionId"]}`);
    expect(new Set(logins).size).toBe(logins.length);
    expect(new Set(ends).size).toBe(ends.length);
    const known = new Set(logins);
    expect(ends.filter((end) => !known.has(end))).toEqual([]);
    expect(logins.length - ends.length).toBeGreaterThan(50);
  });

  it("gives every event its own id, equal lines included", () => {
    expect(new Set(log).size).toBeLessThan(log.length);
    expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
  });

  /** A line before which nothing was under way that takes less than a session. */
  const cut = log.findIndex((line, index) => index > log.length / 2 && timeOf(line) - timeOf(log[index - 1] ?? line) > 15_000);

  it("keeps the ids under another name, after lines were appended, and without the part that rotation took away", () => {
    const all = idsOf(log);
    expect(idsOf(log)).toEqual(all);
    const head = idsOf(log.slice(0, cut));
    expect(head).toEqual(all.slice(0, head.length));
    const rest = eventsOf(log.slice(cut), { now: new Date("2026-01-10T00:00:00Z") }).map((event) => event.id);
    expect(rest).toEqual(all.slice(all.length - rest.length));
    expect(head.length + rest.length).toBe(all.length);
  });

  it("loses no id wherever it is cut, and has another one only for a connection that the cut goes through", () => {
    const all = new Set(idsOf(log));
    for (let at = 1_000; at < log.length; at += 7_000) {
      const parts = new Set([...idsOf(log.slice(0, at)), ...idsOf(log.slice(at))]);
      expect([...all].filter((id) => !parts.has(id))).toEqual([]);
      expect(parts.size - all.size).toBeLessThanOrEqual(2);
    }
  });

  it("has the same ids as its parts that are read one after the other", () => {
    const read = sshdReader({ now: new Date("2026-01-10T00:00:00Z"), idOf: (text) => text, ...context });
    const whole = log.map(read).flatMap(eventsIn);
    const again = sshdReader({ now: new Date("2026-01-10T00:00:00Z"), idOf: (text) => text, ...context });
    const parts = [log.slice(0, cut), log.slice(cut)].flatMap((part, index) => {
      if (index > 0) again.next?.({ now: new Date("2026-01-10T00:00:00Z"), idOf: (text) => text });
      return part.map(again).flatMap(eventsIn);
    });
    expect(parts).toEqual(whole);
  });
});

describe("the id of a line", () => {
  const line = "Jan 10 06:55:46 LabSZ sshd[24200]: Failed password for root from 1.2.3.4 port 22 ssh2";

  it("does not change with the way the year was found, only with the time that came out", () => {
    const [guessed] = eventsOf([line], { now: new Date("2026-02-01T00:00:00Z") });
    expect(eventsOf([line], { year: 2026 })[0]?.id).toBe(guessed?.id);
    expect(eventsOf([line], { year: 2025 })[0]?.id).not.toBe(guessed?.id);
  });

  it("does not change with the zone an ISO stamp was written in", () => {
    const [utc] = eventsOf(["2026-01-10T06:55:46Z h sshd[1]: Failed none for a from ::1 port 1 ssh2"]);
    expect(eventsOf(["2026-01-10T07:55:46+01:00 h sshd[1]: Failed none for a from ::1 port 1 ssh2"])[0]?.id).toBe(utc?.id);
  });

  it("counts equal lines: the second has an id of its own, and the same one whenever it is sent", () => {
    const [first, second] = eventsOf([line, line]);
    expect(second?.id).not.toBe(first?.id);
    expect(eventsOf(["Jan  9 00:00:00 LabSZ CRON[1]: x", line, line]).map((event) => event.id)).toEqual([first?.id, second?.id]);
  });
});
