import { describe, expect, it } from "vitest";
import { eventsOf, outcomesOf } from "./sshd-log.ts";

const at = "Jan 10 06:55:46 LabSZ sshd[24200]:";
const failure = (rest: string) => eventsOf([`${at} Failed ${rest}`])[0]?.data;

describe("an sshd log", () => {
  it("reads a failed password as one failed login", () => {
    const [event, ...more] = eventsOf([`${at} Failed password for root from 173.234.31.186 port 38926 ssh2`]);
    expect(more).toEqual([]);
    expect(event).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/),
      type: "login.failed",
      time: new Date("2026-01-10T06:55:46Z"),
      data: { userId: "root", ip: "173.234.31.186", method: "password" },
    });
  });

  it.each([
    [
      "password for invalid user admin from 1.2.3.4 port 22 ssh2",
      { userId: "admin", ip: "1.2.3.4", method: "password", reason: "invalid user" },
    ],
    [
      "password for illegal user admin from 1.2.3.4 port 22 ssh2",
      { userId: "admin", ip: "1.2.3.4", method: "password", reason: "invalid user" },
    ],
    ["none for invalid user  from 1.2.3.4 port 22 ssh2", { userId: "", ip: "1.2.3.4", method: "none", reason: "invalid user" }],
    ["none for  from 1.2.3.4 port 22 ssh2", { userId: "", ip: "1.2.3.4", method: "none" }],
    ["password for John Smith from 1.2.3.4 port 22 ssh2", { userId: "John Smith", ip: "1.2.3.4", method: "password" }],
    ["password for from from 1.2.3.4 port 22 ssh2", { userId: "from", ip: "1.2.3.4", method: "password" }],
    ["password for a port 9 from 1.2.3.4 port 22 ssh2", { userId: "a port 9", ip: "1.2.3.4", method: "password" }],
    ["password for invalid user from 1.2.3.4 port 22 ssh2", { userId: "invalid user", ip: "1.2.3.4", method: "password" }],
    [
      "password for invalid user invalid user from 1.2.3.4 port 22 ssh2",
      { userId: "invalid user", ip: "1.2.3.4", method: "password", reason: "invalid user" },
    ],
    [
      "password for x from 6.6.6.6 port 6 ssh2 from 1.2.3.4 port 22 ssh2",
      { userId: "x from 6.6.6.6 port 6 ssh2", ip: "1.2.3.4", method: "password" },
    ],
    [
      "password for x from 6.6.6.6 port 6 ssh2: y from 1.2.3.4 port 22 ssh2",
      { userId: "x from 6.6.6.6 port 6 ssh2: y", ip: "1.2.3.4", method: "password" },
    ],
    [
      "publickey for x from 6.6.6.6 port 6 ssh2: RSA SHA256:a from 1.2.3.4 port 22 ssh2: RSA SHA256:b",
      { userId: "x from 6.6.6.6 port 6 ssh2: RSA SHA256:a", ip: "1.2.3.4", method: "publickey" },
    ],
    ["password for root from fe80::1%eth0 port 22 ssh2", { userId: "root", ip: "fe80::1%eth0", method: "password" }],
    ["password for root from ::ffff:1.2.3.4 port 22", { userId: "root", ip: "::ffff:1.2.3.4", method: "password" }],
    ["password for root from UNKNOWN port 65535 ssh2", { userId: "root", ip: "UNKNOWN", method: "password" }],
    ["password for root from 1.2.3.4", { userId: "root", ip: "1.2.3.4", method: "password" }],
    ["password for root from 1.2.3.4 port 22 ssh2 [preauth]", { userId: "root", ip: "1.2.3.4", method: "password" }],
    [
      "keyboard-interactive/pam for root from 1.2.3.4 port 22 ssh2",
      { userId: "root", ip: "1.2.3.4", method: "keyboard-interactive/pam" },
    ],
    ["publickey for git from 1.2.3.4 port 22 ssh2: RSA SHA256:ab/c", { userId: "git", ip: "1.2.3.4", method: "publickey" }],
  ])("reads 'Failed %s' as sshd wrote it", (rest, data) => {
    expect(failure(rest)).toEqual(data);
  });

  it("counts a folded line as often as it says, with an id for each", () => {
    const line = `${at} message repeated 5 times: [ Failed password for root from 5.36.59.76 port 42393 ssh2]`;
    const events = eventsOf([line]);
    expect(events).toHaveLength(5);
    expect(new Set(events.map((event) => event.id)).size).toBe(5);
    for (const event of events) expect(event.data).toEqual({ userId: "root", ip: "5.36.59.76", method: "password" });
  });

  it("takes nothing from other folded lines, and does not believe a folded line of a million", () => {
    const fold = (times: number, text: string) => `${at} message repeated ${times} times: [ ${text}]`;
    const failed = "Failed password for root from 1.2.3.4 port 22 ssh2";
    expect(
      outcomesOf([fold(2, "Accepted password for a from 1.2.3.4 port 22 ssh2"), fold(2, "Connection closed"), fold(0, failed)]),
    ).toMatchObject([{ kind: "ignored" }, { kind: "ignored" }, { kind: "events", events: [] }]);
    expect(outcomesOf([fold(1_000_000, failed)])).toMatchObject([
      { kind: "invalid", reason: expect.stringContaining("1000000") },
    ]);
  });

  it("ignores what is not about a login and what is not sshd's, without calling it invalid", () => {
    const lines = [
      "",
      "   ",
      `${at} input_userauth_request: invalid user admin [preauth]`,
      `${at} pam_unix(sshd:auth): check pass; user unknown`,
      `${at} Postponed publickey for root from 1.2.3.4 port 22 ssh2 [preauth]`,
      `${at} Partial publickey for root from 1.2.3.4 port 22 ssh2`,
      `${at} Accepted key RSA SHA256:abc found at /home/a/.ssh/authorized_keys:1`,
      `${at} pam_unix(sshd:session): session opened for user root by (uid=0)`,
      `${at} Received disconnect from 1.2.3.4: 11: Bye Bye [preauth]`,
      `${at} Connection closed by 1.2.3.4 port 5 [preauth]`,
      `${at} reverse mapping checking getaddrinfo for a.b [1.2.3.4] failed - POSSIBLE BREAK-IN ATTEMPT!`,
      "Jan 10 06:55:46 LabSZ CRON[12]: pam_unix(cron:session): session closed for user root",
      "Jan 10 06:55:46 LabSZ sudo: sshd[1]: Failed password for root from 1.2.3.4 port 22 ssh2",
      "Jan 10 06:55:46 LabSZ kernel: [    0.0] sshd[1]: Failed password for root from 1.2.3.4 port 22 ssh2",
      "Jan 10 06:55:46 LabSZ last message repeated 3 times",
      "Jan 10 06:55:46 LabSZ ftpd[3]: Failed password for root from 1.2.3.4 port 22 ssh2",
      "-- Journal begins at Mon 2026-01-05 10:00:00 UTC, ends at Mon 2026-01-05 11:00:00 UTC. --",
    ];
    expect(outcomesOf(lines).filter((outcome) => outcome.kind !== "ignored")).toEqual([]);
  });

  it.each([
    ["Failed password for root from 1.2.3.4 port 22 ssh2", "no time stamp"],
    ['{"userId":', "not JSON"],
    ["{}", "__REALTIME_TIMESTAMP"],
    ["Foo 10 06:55:46 LabSZ sshd[1]: x", "not a time"],
    ["Jan 32 06:55:46 LabSZ sshd[1]: x", "not a time"],
    ["Jan 10 24:55:46 LabSZ sshd[1]: x", "not a time"],
    ["2026-02-29T06:55:46Z LabSZ sshd[1]: x", "not a time"],
    [`${at} Failed password for ro`, "cut short"],
    [`${at} Failed password for ${"x".repeat(257)} from 1.2.3.4 port 22 ssh2`, "257 characters"],
    ["Jan 10 06:55:46 LabSZ sshd: Accepted password for root from 1.2.3.4 port 22 ssh2", "no process id"],
  ])("calls '%s' invalid and says why", (line, reason) => {
    expect(outcomesOf([line])).toEqual([{ kind: "invalid", reason: expect.stringContaining(reason) }]);
  });

  it("takes a user name of 256 characters, and lines with a carriage return or a byte order mark", () => {
    const line = `${at} Failed password for ${"x".repeat(256)} from 1.2.3.4 port 22 ssh2`;
    expect(eventsOf([line])).toHaveLength(1);
    expect(eventsOf([`\uFEFF${line}\r`])).toEqual(eventsOf([line]));
  });
});

describe("a session of sshd", () => {
  const accepted = (pid: number, user = "fztu") =>
    `Jan 10 09:32:20 LabSZ sshd[${pid}]: Accepted password for ${user} from 119.137.62.142 port 49116 ssh2`;
  const closed = (pid: number, user = "fztu", time = "09:45:06") =>
    `Jan 10 ${time} LabSZ sshd[${pid}]: pam_unix(sshd:session): session closed for user ${user}`;
  const sessionsOf = (lines: readonly string[]) =>
    eventsOf(lines).map(({ type, data }) => [type, data["userId"], data["sessionId"]]);

  it("begins with Accepted and ends with PAM's word, under one id that starts with the pid", () => {
    const events = eventsOf([accepted(24680), closed(24680)]);
    const sessionId = "24680@2026-01-10T09:32:20.000Z";
    expect(events.map(({ type, time, data }) => ({ type, time, data }))).toEqual([
      {
        type: "login.succeeded",
        time: new Date("2026-01-10T09:32:20Z"),
        data: { userId: "fztu", sessionId, ip: "119.137.62.142", method: "password" },
      },
      { type: "login.ended", time: new Date("2026-01-10T09:45:06Z"), data: { userId: "fztu", sessionId, ip: "119.137.62.142" } },
    ]);
  });

  it("ends once, whatever else sshd says about its end", () => {
    const end = (text: string) => `Jan 10 09:45:06 LabSZ sshd[7]: ${text}`;
    const lines = [
      accepted(7),
      end("Received disconnect from 119.137.62.142 port 49116:11: disconnected by user"),
      end("Disconnected from user fztu 119.137.62.142 port 49116"),
      closed(7),
      closed(7, "fztu", "09:45:07"),
      end("Connection closed by 119.137.62.142"),
    ];
    expect(eventsOf(lines).map((event) => event.type)).toEqual(["login.succeeded", "login.ended"]);
  });

  it("is another one when its pid comes round again", () => {
    expect(
      sessionsOf([accepted(7), closed(7), "Jan 11 01:00:00 LabSZ sshd[7]: Accepted password for fztu from ::1 port 2 ssh2"]),
    ).toEqual([
      ["login.succeeded", "fztu", "7@2026-01-10T09:32:20.000Z"],
      ["login.ended", "fztu", "7@2026-01-10T09:32:20.000Z"],
      ["login.succeeded", "fztu", "7@2026-01-11T01:00:00.000Z"],
    ]);
  });

  it("goes by its pid alone when the login was not seen, or was another user's", () => {
    expect(sessionsOf([closed(8), accepted(9, "alice"), closed(9, "bob")])).toEqual([
      ["login.ended", "fztu", "8"],
      ["login.succeeded", "alice", "9@2026-01-10T09:32:20.000Z"],
      ["login.ended", "bob", "9"],
    ]);
  });

  it("knows its user under the name that PAM mapped the client's to", () => {
    expect(sessionsOf([accepted(9, "CORP\\\\Alice"), closed(9, "alice@corp.example")])[1]).toEqual([
      "login.ended",
      "CORP\\\\Alice",
      "9@2026-01-10T09:32:20.000Z",
    ]);
  });

  it("does not mix up equal pids of two hosts", () => {
    const lines = [
      accepted(5, "alice"),
      accepted(5, "bob").replace("LabSZ", "other"),
      closed(5, "alice"),
      closed(5, "bob").replace("LabSZ", "other"),
    ];
    expect(sessionsOf(lines).map(([type, user, session]) => `${type} ${user} ${session}`)).toEqual([
      "login.succeeded alice 5@2026-01-10T09:32:20.000Z",
      "login.succeeded bob 5@2026-01-10T09:32:20.000Z",
      "login.ended alice 5@2026-01-10T09:32:20.000Z",
      "login.ended bob 5@2026-01-10T09:32:20.000Z",
    ]);
  });
});
