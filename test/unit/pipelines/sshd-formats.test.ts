import { describe, expect, it } from "vitest";
import { eventsOf, outcomesOf } from "./sshd-log.ts";

const text = "Failed password for root from 1.2.3.4 port 22 ssh2";
const timesOf = (lines: readonly string[], context = {}) => eventsOf(lines, context).map((event) => event.time.toISOString());
const failedAt = (stamp: string) => `${stamp} host sshd[1]: ${text}`;

describe("ISO stamps", () => {
  it.each([
    ["2026-11-03T10:11:12.123456+01:00", "2026-11-03T09:11:12.123Z"],
    ["2026-11-03T10:11:12+0530", "2026-11-03T04:41:12.000Z"],
    ["2026-11-03T10:11:12-03", "2026-11-03T13:11:12.000Z"],
    ["2026-11-03T10:11:12.5Z", "2026-11-03T10:11:12.500Z"],
    ["2026-11-03T10:11:12", "2026-11-03T10:11:12.000Z"],
    ["2026-11-03 10:11:12,25", "2026-11-03T10:11:12.250Z"],
    ["2026-06-30T23:59:60Z", "2026-07-01T00:00:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
  ])("reads %s as %s", (stamp, time) => {
    expect(timesOf([failedAt(stamp)])).toEqual([time]);
  });
});

describe("journalctl -o json", () => {
  const journal = (fields: Record<string, unknown>) =>
    JSON.stringify({
      __REALTIME_TIMESTAMP: "1767225600123456",
      _HOSTNAME: "gate",
      SYSLOG_IDENTIFIER: "sshd-session",
      _PID: "4711",
      MESSAGE: text,
      ...fields,
    });

  it("reads an entry, its microseconds cut to milliseconds", () => {
    expect(eventsOf([journal({})])).toMatchObject([
      {
        type: "login.failed",
        time: new Date("2026-01-01T00:00:00.123Z"),
        data: { userId: "root", ip: "1.2.3.4", method: "password" },
      },
    ]);
  });

  it("reads a text of bytes, and one that the journal holds twice", () => {
    const bytes = [...new TextEncoder().encode("Failed password for invalid user Zoë from 1.2.3.4 port 22 ssh2")];
    expect(eventsOf([journal({ MESSAGE: bytes })])[0]?.data).toMatchObject({ userId: "Zoë" });
    expect(eventsOf([journal({ MESSAGE: [text, text] })])).toHaveLength(1);
    expect(eventsOf([journal({ MESSAGE: [bytes, bytes] })])).toHaveLength(1);
  });

  it("takes the pid from either field", () => {
    const accepted = { MESSAGE: "Accepted publickey for alice from ::1 port 22 ssh2: ED25519 SHA256:x" };
    expect(eventsOf([journal(accepted)])[0]?.data["sessionId"]).toBe("4711@2026-01-01T00:00:00.123Z");
    expect(eventsOf([journal({ ...accepted, _PID: undefined, SYSLOG_PID: "12" })])[0]?.data["sessionId"]).toBe(
      "12@2026-01-01T00:00:00.123Z",
    );
  });

  it("ignores other programs' entries, and calls an entry of sshd without its text invalid", () => {
    const lines = [
      journal({ SYSLOG_IDENTIFIER: "sudo" }),
      journal({ SYSLOG_IDENTIFIER: "sudo", MESSAGE: null }),
      journal({ MESSAGE: null }),
    ];
    expect(outcomesOf(lines).map((outcome) => outcome.kind)).toEqual(["ignored", "ignored", "invalid"]);
  });

  it("gives an entry one id, in whatever order its fields were printed", () => {
    const reordered = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(journal({}))).reverse()));
    expect(eventsOf([reordered])[0]?.id).toBe(eventsOf([journal({})])[0]?.id);
  });
});

describe("the year of classic stamps", () => {
  it("is the given one, for the first stamped line", () => {
    expect(timesOf([failedAt("Dec 10 06:55:46")], { year: 2016 })).toEqual(["2016-12-10T06:55:46.000Z"]);
  });

  it("is else the latest that puts the first line no more than a day ahead", () => {
    const now = new Date("2026-01-15T12:00:00Z");
    expect(timesOf([failedAt("Jan 16 11:59:59")], { now })).toEqual(["2026-01-16T11:59:59.000Z"]);
    expect(timesOf([failedAt("Jan 16 12:00:01")], { now })).toEqual(["2025-01-16T12:00:01.000Z"]);
    expect(timesOf([failedAt("Jan  1 05:00:00")], { now: new Date("2025-12-31T20:00:00Z") })).toEqual([
      "2026-01-01T05:00:00.000Z",
    ]);
  });

  it("moves on over New Year, also past lines that other programs wrote", () => {
    const lines = [
      failedAt("Dec 30 10:00:00"),
      failedAt("Dec 31 23:59:59"),
      failedAt("Jan  1 00:00:01"),
      failedAt("Feb  3 00:00:00"),
    ];
    expect(timesOf(lines, { year: 2024 }).map((time) => time.slice(0, 10))).toEqual([
      "2024-12-30",
      "2024-12-31",
      "2025-01-01",
      "2025-02-03",
    ]);
    expect(timesOf(["Nov 30 10:00:00 host CRON[1]: x", failedAt("Jan  1 00:00:01")], { year: 2024 })).toEqual([
      "2025-01-01T00:00:01.000Z",
    ]);
  });

  it("moves on once a year through a log of three", () => {
    const lines = ["Mar", "Jul", "Nov", "Feb", "Jun", "Oct", "Jan", "May"].map((month) => failedAt(`${month} 05 00:00:00`));
    expect(timesOf(lines, { year: 2022 }).map((time) => time.slice(0, 4))).toEqual([
      "2022",
      "2022",
      "2022",
      "2023",
      "2023",
      "2023",
      "2024",
      "2024",
    ]);
  });

  it("stands a little disorder, also across New Year", () => {
    const stamps = [
      "Dec 31 23:59:58",
      "Jan  1 00:00:01",
      "Dec 31 23:59:59",
      "Jan  1 00:00:00",
      "Jan  1 00:00:02",
      "Dec 31 23:59:57",
      "Jan  2 00:00:00",
    ];
    expect(timesOf(stamps.map(failedAt), { year: 2024 })).toEqual([
      "2024-12-31T23:59:58.000Z",
      "2025-01-01T00:00:01.000Z",
      "2024-12-31T23:59:59.000Z",
      "2025-01-01T00:00:00.000Z",
      "2025-01-01T00:00:02.000Z",
      "2024-12-31T23:59:57.000Z",
      "2025-01-02T00:00:00.000Z",
    ]);
    expect(timesOf([failedAt("Jan  1 00:00:01"), failedAt("Dec 31 23:59:59")], { year: 2025 })[1]).toBe(
      "2024-12-31T23:59:59.000Z",
    );
    expect(
      timesOf([failedAt("Jun 10 00:00:10"), failedAt("Jun 10 00:00:09"), failedAt("Jun  8 00:00:00")], { year: 2025 }).map(
        (time) => time.slice(0, 4),
      ),
    ).toEqual(["2025", "2025", "2025"]);
  });

  it("stays where it is through a quiet spring and summer", () => {
    expect(timesOf([failedAt("Jan 10 00:00:00"), failedAt("Nov 20 00:00:00")], { year: 2024 })[1]).toBe(
      "2024-11-20T00:00:00.000Z",
    );
  });

  it("has a Feb 29 only in a leap year", () => {
    expect(timesOf([failedAt("Feb 29 12:00:00")], { year: 2024 })).toEqual(["2024-02-29T12:00:00.000Z"]);
    expect(outcomesOf([failedAt("Feb 29 12:00:00"), failedAt("Mar  1 12:00:00")], { year: 2025 })).toMatchObject([
      { kind: "invalid", reason: expect.stringContaining("Feb 29") },
      { kind: "events" },
    ]);
    expect(timesOf([failedAt("Dec 31 12:00:00"), failedAt("Feb 29 12:00:00")], { year: 2023 })[1]).toBe(
      "2024-02-29T12:00:00.000Z",
    );
    expect(timesOf([failedAt("Feb 29 12:00:00")], { now: new Date("2026-06-01T00:00:00Z") })).toEqual([
      "2024-02-29T12:00:00.000Z",
    ]);
  });
});
