import { describe, expect, it } from "vitest";
import { classic, eventsOf, iso, outcomesOf, sshdLog } from "./sshd-log.ts";

const start = new Date("2025-12-29T00:00:00Z");
const context = { year: 2025 };
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

  it("keeps the ids under another name, after lines were appended, and without the part that rotation took away", () => {
    const all = idsOf(log);
    expect(idsOf(log)).toEqual(all);
    const half = Math.floor(log.length / 2);
    expect(idsOf(log.slice(0, half))).toEqual(all.slice(0, idsOf(log.slice(0, half)).length));
    const cut = log.findIndex((line, index) => index > half && line !== log[index - 1]);
    const rest = eventsOf(log.slice(cut), { now: new Date("2026-01-10T00:00:00Z") }).map((event) => event.id);
    expect(rest).toEqual(all.slice(all.length - rest.length));
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
