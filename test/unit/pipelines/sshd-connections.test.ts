import { describe, expect, it } from "vitest";
import { eventsOf } from "./sshd-log.ts";

const line = (second: number, pid: number, text: string) =>
  `Jan 10 06:${String(Math.floor(second / 60)).padStart(2, "0")}:${String(second % 60).padStart(2, "0")} gate sshd[${pid}]: ${text}`;
const summary = (lines: readonly string[]) =>
  eventsOf(lines).map(({ type, time, data }) => [type.slice(6), time.toISOString().slice(14, 19), data["userId"], data["ip"]]);
const failed = (second: string, userId: string, ip: string) => ["failed", second, userId, ip];
const from = (port: number) => `from 203.0.113.9 port ${port}`;

describe("keys that are offered", () => {
  const offer = (second: number, port = 1) =>
    line(second, 7, `Failed publickey for bob ${from(port)} ssh2: RSA SHA256:k${second}`);

  it("before the right one is found are no failures", () => {
    const lines = [1, 1, 2, 2, 3].map((second) => offer(second));
    expect(summary([...lines, line(3, 7, `Accepted publickey for bob ${from(1)} ssh2: RSA SHA256:ok`)])).toEqual([
      ["succeeded", "00:03", "bob", "203.0.113.9"],
    ]);
  });

  it("are one failure of a connection that ends without a login, however it ends, or if the log does", () => {
    const offers = [1, 1, 2].map((second) => offer(second));
    for (const end of [
      [line(4, 7, `Connection closed by authenticating user bob 203.0.113.9 port 1 [preauth]`)],
      [
        line(4, 7, `Received disconnect ${from(1)}:11: bye [preauth]`),
        line(4, 7, `Disconnected from 203.0.113.9 port 1 [preauth]`),
      ],
      [
        line(4, 7, `error: maximum authentication attempts exceeded for bob ${from(1)} ssh2 [preauth]`),
        line(4, 7, `Disconnecting authenticating user bob 203.0.113.9 port 1: Too many authentication failures [preauth]`),
      ],
      [line(3_000, 8, "Server listening on 0.0.0.0 port 22.")],
      [],
    ])
      expect(summary([...offers, ...end]), end[0]).toEqual([failed("00:01", "bob", "203.0.113.9")]);
  });

  it("count once beside a password that was wrong", () => {
    expect(
      summary([
        offer(1),
        line(2, 7, `Failed password for bob ${from(1)} ssh2`),
        line(3, 7, "Connection closed by 203.0.113.9 port 1 [preauth]"),
      ]),
    ).toEqual([failed("00:02", "bob", "203.0.113.9")]);
  });

  it("count for every connection", () => {
    expect(summary([1, 2, 3, 4, 5].map((port) => offer(port, port)))).toHaveLength(5);
  });
});

describe("the question which methods there are", () => {
  const none = line(1, 7, `Failed none for bob ${from(1)} ssh2`);

  it("is no failure before a login, and one where none follows", () => {
    expect(summary([none, line(2, 7, `Accepted password for bob ${from(1)} ssh2`)]).map(([kind]) => kind)).toEqual(["succeeded"]);
    expect(summary([none])).toEqual([failed("00:01", "bob", "203.0.113.9")]);
  });
});

describe("a server that takes keys alone", () => {
  it.each([
    ["an unknown user", ["Invalid user admin from 203.0.113.9 port 1"], "admin"],
    ["an unknown user of an old server", ["Invalid user admin from 203.0.113.9"], "admin"],
    [
      "an unknown user without a name",
      ["Invalid user  from 203.0.113.9 port 1", "Connection closed by invalid user  203.0.113.9 port 1 [preauth]"],
      "",
    ],
    ["a connection closed", ["Connection closed by authenticating user root 203.0.113.9 port 1 [preauth]"], "root"],
    ["a connection reset", ["Connection reset by authenticating user root 203.0.113.9 port 1 [preauth]"], "root"],
    [
      "a client that leaves",
      [
        "Received disconnect from 203.0.113.9 port 1:11:  [preauth]",
        "Disconnected from authenticating user root 203.0.113.9 port 1 [preauth]",
      ],
      "root",
    ],
    [
      "an unknown user, told three times",
      [
        "Invalid user x y from 203.0.113.9 port 1",
        "input_userauth_request: invalid user x y [preauth]",
        "Connection closed by invalid user x y 203.0.113.9 port 1 [preauth]",
      ],
      "x y",
    ],
    [
      "too many keys",
      [
        "error: maximum authentication attempts exceeded for root from 203.0.113.9 port 1 ssh2 [preauth]",
        "Disconnecting: Too many authentication failures [preauth]",
      ],
      "root",
    ],
    [
      "too many keys, of an old server",
      [
        "Connection from 203.0.113.9 port 1 on 10.0.0.1 port 22",
        "Disconnecting: Too many authentication failures for root [preauth]",
      ],
      "",
    ],
    ["PAM", ["error: PAM: Authentication failure for root from 203.0.113.9"], "root"],
    ["PAM of a Mac", ["error: PAM: authentication error for root from 203.0.113.9 via 10.0.0.1"], "root"],
    [
      "PAM, twice on a connection",
      [
        "error: PAM: Authentication failure for root from 203.0.113.9",
        "error: PAM: Authentication failure for root from 203.0.113.9",
      ],
      "root",
    ],
    [
      "PAM and its module",
      [
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=root",
        "Connection closed by 203.0.113.9 [preauth]",
      ],
      "root",
    ],
    [
      "a user who is not let in",
      [
        "User root from 203.0.113.9 not allowed because not listed in AllowUsers",
        "Connection closed by invalid user root 203.0.113.9 port 1 [preauth]",
      ],
      "root",
    ],
    [
      "a locked account",
      ["User root not allowed because account is locked", "Received disconnect from 203.0.113.9: 11: Bye Bye [preauth]"],
      "root",
    ],
    ["root, refused", ["ROOT LOGIN REFUSED FROM 203.0.113.9 port 1"], "root"],
    [
      "no method left",
      ["error: Received disconnect from 203.0.113.9 port 1:14: No supported authentication methods available [preauth]"],
      "",
    ],
  ])("has a failure for a connection: %s", (_, texts, userId) => {
    expect(summary(texts.map((text) => line(1, 7, text)))).toEqual([failed("00:01", userId, "203.0.113.9")]);
  });

  it("has none for one that never named a user, or that was told by another line", () => {
    expect(
      summary(
        [
          "Connection from 203.0.113.9 port 1 on 10.0.0.1 port 22",
          "Connection closed by 203.0.113.9 port 1 [preauth]",
          "Did not receive identification string from 203.0.113.9 port 2",
          "Unable to negotiate with 203.0.113.9 port 3: no matching host key type found. Their offer: ssh-dss [preauth]",
          "Connection reset by 203.0.113.9 port 4 [preauth]",
          "fatal: Timeout before authentication for 203.0.113.9 port 5",
        ].map((text) => line(1, 7, text)),
      ),
    ).toEqual([]);
    const told = [
      "Invalid user admin from 203.0.113.9 port 1",
      "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9",
      "Failed password for invalid user admin from 203.0.113.9 port 1 ssh2",
      "Failed password for invalid user admin from 203.0.113.9 port 1 ssh2",
      "error: maximum authentication attempts exceeded for invalid user admin from 203.0.113.9 port 1 ssh2 [preauth]",
      "Disconnecting invalid user admin 203.0.113.9 port 1: Too many authentication failures [preauth]",
      "PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9",
    ];
    expect(summary(told.map((text) => line(1, 7, text)))).toHaveLength(2);
  });

  it("has one each for connections of one process or one port, one after the other", () => {
    const closed = (second: number, pid: number) =>
      line(second, pid, "Connection closed by authenticating user root 203.0.113.9 port 1 [preauth]");
    expect(summary([closed(1, 7), closed(1, 7)])).toHaveLength(1);
    expect(summary([closed(1, 7), closed(2, 8), closed(60, 8), closed(120, 8)])).toHaveLength(4);
    expect(summary([1, 2, 3].map((second) => line(second, 7, "Invalid user admin from 203.0.113.9 port 1")))).toHaveLength(3);
  });
});

describe("a session without PAM", () => {
  const accepted = line(1, 100, `Accepted publickey for bob ${from(38066)} ssh2: RSA SHA256:k`);
  const opened = line(1, 100, "pam_unix(sshd:session): session opened for user bob(uid=1000) by (uid=0)");
  const closed = line(62, 100, "pam_unix(sshd:session): session closed for user bob");
  const left = line(61, 102, "Disconnected from user bob 203.0.113.9 port 38066");
  const login = ["succeeded", "00:01", "bob", "100@2026-01-10T06:00:01.000Z"];
  const sessions = (lines: readonly string[]) =>
    eventsOf(lines).map(({ type, time, data }) => [
      type.slice(6),
      time.toISOString().slice(14, 19),
      data["userId"],
      data["sessionId"],
    ]);

  it.each([
    ["its user leaves", [left]],
    ["its user says so first", [line(61, 102, `Received disconnect ${from(38066)}:11: disconnected by user`), left]],
    ["it is closed", [line(61, 102, "Connection closed by 203.0.113.9 port 38066")]],
    ["it falls silent", [line(61, 102, "Timeout, client not responding from user bob 203.0.113.9 port 38066")]],
    ["it breaks", [line(61, 102, "Read error from remote host user bob 203.0.113.9 port 38066: Connection reset by peer")]],
  ])("ends, though another process says so, when %s", (_, end) => {
    expect(sessions([accepted, ...end])).toEqual([login, ["ended", "01:01", login[2], login[3]]]);
  });

  it("ends once, by PAM's word where there is a PAM, or without it where that is missing", () => {
    const end = (at: string) => ["ended", at, login[2], login[3]];
    expect(sessions([accepted, opened, left, closed])).toEqual([login, end("01:02")]);
    expect(sessions([accepted, opened, left])).toEqual([login, end("01:01")]);
    expect(sessions([accepted, left, closed])).toEqual([login, end("01:01")]);
    expect(sessions([accepted, opened, closed, left])).toEqual([login, end("01:02")]);
  });

  it("is known to a PAM that speaks from another process", () => {
    const elsewhere = (text: string) =>
      text.replace("sshd[100]: pam_unix(sshd:session)", "sshd(pam_unix)[103]").replace("(pam_unix)[103]:", "(pam_unix)[103]:");
    expect(sessions([accepted, elsewhere(opened), elsewhere(closed)])).toEqual([login, ["ended", "01:02", login[2], login[3]]]);
  });

  it("is another one when address and port come round again, and an end without a login is none", () => {
    const again = line(120, 200, `Accepted publickey for bob ${from(38066)} ssh2: RSA SHA256:k`);
    expect(sessions([left, accepted, left, again, line(130, 202, "Disconnected from user bob 203.0.113.9 port 38066")])).toEqual([
      login,
      ["ended", "01:01", login[2], login[3]],
      ["succeeded", "02:00", "bob", "200@2026-01-10T06:02:00.000Z"],
      ["ended", "02:10", "bob", "200@2026-01-10T06:02:00.000Z"],
    ]);
  });
});

describe("BSD's 'last message repeated'", () => {
  const failure = line(1, 7, `Failed password for root ${from(1)} ssh2`);

  it.each([
    "gate last message repeated 4 times",
    "gate syslogd: last message repeated 4 times",
    "--- last message repeated 4 times ---",
  ])("behind a failure is so many more: %s", (text) => {
    const events = eventsOf([failure, `Jan 10 06:00:30 ${text}`, `Jan 10 06:02:00 ${text}`]);
    expect(events).toHaveLength(9);
    expect(new Set(events.map(({ id }) => id)).size).toBe(9);
    expect(events[8]).toMatchObject({ time: new Date("2026-01-10T06:02:00Z"), data: { userId: "root", ip: "203.0.113.9" } });
  });

  it("behind anything else is none, and a million is not believed", () => {
    const repeated = "Jan 10 06:00:30 gate last message repeated 4 times";
    expect(eventsOf([failure, "Jan 10 06:00:02 gate cron[1]: x", repeated])).toHaveLength(1);
    expect(eventsOf([repeated])).toEqual([]);
    expect(eventsOf([failure, repeated.replace("4", "4000000")])).toHaveLength(1);
  });
});

describe("what the client wrote", () => {
  const origins = (texts: readonly string[]) =>
    summary(texts.map((text) => line(1, 7, text))).map(([, , userId, ip]) => [userId, ip]);

  it.each([
    [
      'Failed hostbased for dan from 198.51.100.66 port 45785 ssh2: RSA SHA256:abc, client user "x from 6.6.6.6 port 1 ssh2: y", client host "h"',
      "dan",
    ],
    [
      'Failed hostbased for dan from 198.51.100.66 port 45785 ssh2: RSA SHA256:abc, client user "x from 6.6.6.6 port 1 ssh2: RSA SHA256:a, client user "y", client host "z"',
      "dan",
    ],
    [
      "Failed publickey for dan from 198.51.100.66 port 1 ssh2: RSA-CERT SHA256:abc ID me from 6.6.6.6 port 1 ssh2 (serial 0) CA ED25519 SHA256:def",
      "dan",
    ],
    [
      "Failed publickey for invalid user a from 6.6.6.6 port 1 ssh2 from 198.51.100.66 port 1 ssh2: RSA SHA256:b",
      "a from 6.6.6.6 port 1 ssh2",
    ],
    ["Failed password for invalid user from 6.6.6.6 port 22 ssh2 from 198.51.100.66 port 1 ssh2", "from 6.6.6.6 port 22 ssh2"],
    ['Failed password for invalid user "\\033[2J" from 198.51.100.66 port 1 ssh2', '"\\033[2J"'],
    ["Invalid user a from 6.6.6.6 port 22 from 198.51.100.66 port 1", "a from 6.6.6.6 port 22"],
    ["Invalid user a from 6.6.6.6 port 22 ssh2 from 198.51.100.66", "a from 6.6.6.6 port 22 ssh2"],
    ["Connection closed by authenticating user a 6.6.6.6 port 1 198.51.100.66 port 2 [preauth]", "a 6.6.6.6 port 1"],
    ["Connection closed by invalid user a 6.6.6.6 port 1 [preauth] 198.51.100.66 port 2 [preauth]", "a 6.6.6.6 port 1 [preauth]"],
    [
      "error: PAM: Authentication failure for illegal user a from 6.6.6.6 via 1.1.1.1 from 198.51.100.66",
      "a from 6.6.6.6 via 1.1.1.1",
    ],
    [
      "maximum authentication attempts exceeded for invalid user a from 6.6.6.6 port 1 ssh2 from 198.51.100.66 port 2 ssh2 [preauth]",
      "a from 6.6.6.6 port 1 ssh2",
    ],
    [
      "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.66  user=a rhost=6.6.6.6  user=b",
      "a rhost=6.6.6.6  user=b",
    ],
    [
      "Disconnecting invalid user a 6.6.6.6 port 1: Too many authentication failures 198.51.100.66 port 2: Too many authentication failures [preauth]",
      "a 6.6.6.6 port 1: Too many authentication failures",
    ],
  ])("never passes for sshd's word: %s", (text, userId) => {
    expect(origins([text])).toEqual([[userId, "198.51.100.66"]]);
  });

  it("is told apart by the connection where the line alone cannot tell, and accuses nobody where nothing can", () => {
    const forged = "a from 6.6.6.6 port 1 ssh2: RSA-CERT SHA256:a ID b";
    const ambiguous = `Failed publickey for invalid user ${forged} from 198.51.100.66 port 2 ssh2: RSA-CERT SHA256:a ID c (serial 0) CA RSA SHA256:d`;
    expect(origins([`Invalid user ${forged} from 198.51.100.66 port 2`, ambiguous])).toEqual([[forged, "198.51.100.66"]]);
    expect(origins([ambiguous])).toEqual([]);
    const other =
      "Disconnecting invalid user a 6.6.6.6 port 1: Change of username or service not allowed: (x,y) -> (z,y) [preauth]";
    expect(origins([other])).toEqual([["", "UNKNOWN"]]);
    expect(origins(["Invalid user a from 198.51.100.66 port 2", other])).toEqual([["a", "198.51.100.66"]]);
  });

  it("may say that it leaves before the login, and its session ends all the same", () => {
    const lines = [
      line(1, 7, "Accepted password for bob from 198.51.100.66 port 5 ssh2"),
      line(9, 8, "Received disconnect from 198.51.100.66 port 5:14: No [preauth]"),
    ];
    expect(summary(lines).map(([kind]) => kind)).toEqual(["succeeded", "ended"]);
  });

  it("cannot keep the reader busy", () => {
    const many = "from 6.6.6.6 port 1 ssh2: RSA SHA256:a ".repeat(20_000);
    expect(
      origins([`Failed publickey for invalid user ${many}`, `Invalid user ${many}`, `Connection closed by invalid user ${many}`]),
    ).toEqual([]);
  });
});
