import { describe, expect, it } from "vitest";
import { eventsOf, outcomesOf } from "./sshd-log.ts";

const said = "Failed password for root from 203.0.113.1 port 1 ssh2";
const failure = { type: "login.failed", data: { userId: "root", ip: "203.0.113.1", method: "password" } };

describe("a line of sshd", () => {
  it.each([
    ["BusyBox, with a facility", `Jan  8 13:11:39 router auth.info sshd[1]: ${said}`],
    ["BusyBox without a host", `Jan  8 13:11:39 authpriv.warn sshd[1]: ${said}`],
    ["OpenWrt's logread", `Thu Jan  8 13:11:39 2026 auth.info sshd[1]: ${said}`],
    ["FreeBSD, with a priority before the host", `Jan  8 13:11:39 <auth.info> gate sshd[1]: ${said}`],
    ["FreeBSD, with a number", `Jan  8 13:11:39 <4.6> gate sshd[1]: ${said}`],
    ["illumos", `Jan  8 13:11:39 zone sshd[1]: [ID 800047 auth.info] ${said}`],
    ["metalog", `Jan  8 13:11:39 [sshd] ${said}`],
    ["a year before the time", `Jan  8 2026 13:11:39 gate sshd[1]: ${said}`],
    ["RFC 5424", `<38>1 2026-01-08T13:11:39.000Z gate.example.org sshd 57915 - - ${said}`],
    [
      "RFC 5424 with structured data",
      `<38>1 2026-01-08T14:11:39+01:00 gate sshd 57915 - [origin ip="10.0.0.1"][x@1 note="a \\"]\\" b"] \uFEFF${said}`,
    ],
    ["journalctl -o short-full", `Thu 2026-01-08 13:11:39 UTC gate sshd[1]: ${said}`],
    ["journalctl -o short-full in French", `jeu. 2026-01-08 13:11:39 UTC gate sshd[1]: ${said}`],
    ["journalctl -o short-unix", `1767877899.000000 gate sshd[1]: ${said}`],
    ["journalctl -o with-unit", `Thu 2026-01-08 13:11:39 UTC gate sshd.service[1]: ${said}`],
    ["French", `janv. 08 13:11:39 gate sshd[1]: ${said}`],
    ["German", `Jan 08 13:11:39 gate sshd[1]: ${said}`],
    [
      "journalctl -o json-seq",
      `\x1e${JSON.stringify({ __REALTIME_TIMESTAMP: "1767877899000000", SYSLOG_IDENTIFIER: "sshd", _PID: "1", MESSAGE: said })}`,
    ],
    [
      "journalctl -o json-sse",
      `data: ${JSON.stringify({ __REALTIME_TIMESTAMP: "1767877899000000", SYSLOG_IDENTIFIER: "sshd", _PID: "1", MESSAGE: said })}`,
    ],
  ])("is read as %s writes it", (_, line) => {
    expect(eventsOf([line])).toEqual([{ id: expect.any(String), time: new Date("2026-01-08T13:11:39Z"), ...failure }]);
  });

  it.each([
    ["mars 03", "03-03"],
    ["Mär 03", "03-03"],
    ["avril 03", "04-03"],
    ["Mai 03", "05-03"],
    ["juin 03", "06-03"],
    ["juil. 03", "07-03"],
    ["août 03", "08-03"],
    ["Okt 03", "10-03"],
    ["févr. 03", "02-03"],
    ["déc. 03", "12-03"],
    ["Dez 03", "12-03"],
  ])("may name its month in the language of its machine: %s", (day, date) => {
    const [event] = eventsOf([`${day} 10:00:00 gate sshd[1]: ${said}`], { year: 2025 });
    expect(event?.time.toISOString()).toBe(`2025-${date}T10:00:00.000Z`);
  });

  it("of Linux-PAM's old tag is a failure of its process, and ends its sessions", () => {
    const pam = (pid: number, text: string) => `Jan  8 13:11:39 combo sshd(pam_unix)[${pid}]: ${text}`;
    const failed = "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=h.example.net  user=root";
    const events = eventsOf([
      pam(1, "check pass; user unknown"),
      pam(1, failed),
      pam(2, failed),
      pam(3, "session closed for user ann"),
    ]);
    expect(events.map(({ type, data }) => [type, data["userId"], data["ip"]])).toEqual([
      ["login.ended", "ann", undefined],
      ["login.failed", "root", "h.example.net"],
      ["login.failed", "root", "h.example.net"],
    ]);
  });

  it.each([
    ["Tue 2026-01-08 13:11:39 CET gate sshd[1]: x", /'CET' may be more than one zone: name it with --tz/],
    ["[ 1234.567890] gate sshd[1]: x", /seconds since the machine was started.*journalctl -o short-iso/],
    ["gen 08 13:11:39 gate sshd[1]: x", /not a time that exists; months are read in English, German and French.*journalctl/],
    ["Failed password for root", /no time stamp that is known.*journalctl -o short-iso/],
  ])("that cannot be placed in time is refused with the way out: %s", (line, reason) => {
    expect(outcomesOf([line])).toEqual([{ kind: "invalid", reason: expect.stringMatching(reason) }]);
  });

  it.each([
    ["{", /several lines \(journalctl -o json-pretty\)/],
    ['[{"MESSAGE":"x"},', /a JSON array/],
    ["__CURSOR=s=abc", /journalctl -o export/],
    ["Thu 2026-01-08 13:11:39.000000 UTC [s=abc;i=1]", /journalctl -o verbose/],
  ])("of a file that is not written in lines gives the whole file away: %s", (line, reason) => {
    expect(outcomesOf([line])).toEqual([
      { kind: "foreign", reason: expect.stringMatching(reason), hint: expect.stringMatching(/journalctl -o short-iso|jq/) },
    ]);
  });

  it("that is not understood is told by its kind, whatever names and numbers it holds", () => {
    const lines = [1, 2].map((n) => `Jan  8 13:11:39 gate sshd[${n}]: the flux of host 10.0.0.${n} has 1${n} knots`);
    expect(outcomesOf(lines)).toEqual(Array(2).fill({ kind: "unknown", what: "the flux of host … has" }));
    // Of another program nobody claims to understand anything.
    expect(outcomesOf(["Jan  8 13:11:39 gate cron[1]: the flux has no knots"])).toMatchObject([{ kind: "ignored" }]);
  });
});

describe("a stamp without a zone", () => {
  const timesIn = (zone: string | undefined, stamps: readonly string[]) =>
    eventsOf(
      stamps.map((stamp) => `${stamp} gate sshd[1]: ${said}`),
      zone === undefined ? {} : { zone },
    ).map(({ time }) => time.toISOString().slice(0, 16));

  it("is UTC, unless a zone is named", () => {
    expect(timesIn(undefined, ["2025-07-01T12:00:00", "Jul  1 12:00:00"])).toEqual(["2025-07-01T12:00", "2025-07-01T12:00"]);
    expect(timesIn("Europe/Berlin", ["2025-07-01T12:00:00", "Dec  1 12:00:00", "2025-12-01T12:00:00Z"])).toEqual([
      "2025-07-01T10:00",
      "2025-12-01T11:00",
      "2025-12-01T12:00",
    ]);
    expect(timesIn("Asia/Kathmandu", ["2025-07-01 12:00:00"])).toEqual(["2025-07-01T06:15"]);
    expect(timesIn("Europe/Berlin", ["Di 2025-07-01 12:00:00 CEST"])).toEqual(["2025-07-01T10:00"]);
  });

  it("in the hour that comes twice is of the first, until the log steps back", () => {
    expect(
      timesIn("Europe/Berlin", [
        "Oct 26 01:59:00",
        "Oct 26 02:10:00",
        "Oct 26 02:58:00",
        "Oct 26 02:57:00",
        "Oct 26 02:03:00",
        "Oct 26 02:59:00",
        "Oct 26 03:01:00",
      ]),
    ).toEqual([
      "2025-10-25T23:59",
      "2025-10-26T00:10",
      "2025-10-26T00:58",
      "2025-10-26T00:57",
      "2025-10-26T01:03",
      "2025-10-26T01:59",
      "2025-10-26T02:01",
    ]);
  });

  it("in the hour that does not exist goes on as if the clock had not been put forward", () => {
    expect(timesIn("Europe/Berlin", ["Mar 30 01:59:00", "Mar 30 02:30:00", "Mar 30 03:31:00"])).toEqual([
      "2025-03-30T00:59",
      "2025-03-30T01:30",
      "2025-03-30T01:31",
    ]);
  });
});
