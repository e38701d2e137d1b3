import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { casesOf } from "../../support/long-form.ts";
import { eventsOf, outcomesOf } from "./sshd-log.ts";

const runs = casesOf({ few: 2_000, many: 200_000 });
const address = "198.51.100.66";

/** What an attacker would put into a name, in any order. */
const piece = fc.constantFrom(
  "a",
  " ",
  "",
  " from 6.6.6.6 port 1 ssh2",
  " from 6.6.6.6 port 1",
  " from 6.6.6.6",
  " 6.6.6.6 port 1",
  "invalid user ",
  "authenticating user ",
  " ssh2: RSA SHA256:aaa",
  ": RSA SHA256:aaa",
  " [preauth]",
  ": Too many authentication failures",
  " via 6.6.6.6",
  '", client host "h"',
  ', client user "',
  "ID b (serial 0) CA RSA SHA256:c",
  " rhost=6.6.6.6  user=root",
  "message repeated 3 times: [ ",
  "]",
  "\\033[2J",
  "'",
);
const name = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
/** The name of an account holds no blank. */
const account = fc.constantFrom("root", "bob", "from", "port", "user", "invalid");
const port = fc.integer({ min: 1_024, max: 65_535 });

const key = "RSA SHA256:Ab0/x";
const sentences = fc.oneof(
  fc.tuple(name, port).map(([user, at]) => `Failed password for invalid user ${user} from ${address} port ${at} ssh2`),
  fc.tuple(name, port).map(([user, at]) => `Failed publickey for invalid user ${user} from ${address} port ${at} ssh2: ${key}`),
  fc.tuple(name, port).map(([user, at]) => `Failed none for invalid user ${user} from ${address} port ${at} ssh2 [preauth]`),
  fc
    .tuple(account, name, name, port)
    .map(
      ([user, client, host, at]) =>
        `Failed hostbased for ${user} from ${address} port ${at} ssh2: ${key}, client user "${client}", client host "${host}"`,
    ),
  fc
    .tuple(account, name, port)
    .map(
      ([user, id, at]) => `Failed publickey for ${user} from ${address} port ${at} ssh2: ${key} ID ${id} (serial 7) CA ${key}`,
    ),
  fc
    .tuple(name, name, port)
    .map(
      ([user, id, at]) =>
        `Failed publickey for invalid user ${user} from ${address} port ${at} ssh2: ${key} ID ${id} (serial 7) CA ${key}`,
    ),
  fc
    .tuple(account, name, port)
    .map(
      ([user, id, at]) => `Accepted publickey for ${user} from ${address} port ${at} ssh2: ${key} ID ${id} (serial 7) CA ${key}`,
    ),
  fc.tuple(name, port).map(([user, at]) => `Invalid user ${user} from ${address} port ${at}`),
  name.map((user) => `Invalid user ${user} from ${address}`),
  fc.tuple(name, port).map(([user, at]) => `Connection closed by invalid user ${user} ${address} port ${at} [preauth]`),
  fc.tuple(account, port).map(([user, at]) => `Connection reset by authenticating user ${user} ${address} port ${at} [preauth]`),
  fc.tuple(name, port).map(([user, at]) => `Disconnected from invalid user ${user} ${address} port ${at} [preauth]`),
  fc
    .tuple(name, port)
    .map(
      ([user, at]) =>
        `maximum authentication attempts exceeded for invalid user ${user} from ${address} port ${at} ssh2 [preauth]`,
    ),
  fc
    .tuple(name, port)
    .map(([user, at]) => `Disconnecting invalid user ${user} ${address} port ${at}: Too many authentication failures [preauth]`),
  fc
    .tuple(name, name, port)
    .map(
      ([user, other, at]) =>
        `Disconnecting invalid user ${user} ${address} port ${at}: Change of username or service not allowed: (${user},ssh-connection) -> (${other},ssh-connection) [preauth]`,
    ),
  name.map((user) => `error: PAM: Authentication failure for illegal user ${user} from ${address}`),
  fc
    .tuple(name)
    .map(
      ([user]) =>
        `pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${address}  user=${user}`,
    ),
  fc.tuple(name, port).map(([text, at]) => `Received disconnect from ${address} port ${at}:11: ${text} [preauth]`),
);
const line = (text: string, pid = 7) => `Jan 10 06:55:46 gate sshd[${pid}]: ${text}`;

describe("whatever a client writes", () => {
  it("accuses nobody but the client", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(sentences, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 4 }), (texts) => {
        const accused = eventsOf(texts.map(([text, pid]) => line(text, pid))).map(({ data }) => data["ip"]);
        for (const ip of accused) expect([address, "UNKNOWN", undefined]).toContain(ip);
      }),
      { numRuns: runs },
    );
  });
});

describe("whatever stands in a log", () => {
  const stamps = fc.constantFrom(
    "Jan 10 06:55:46 gate ",
    "2026-01-10T06:55:46Z ",
    "<38>1 2026-01-10T06:55:46Z gate sshd 7 - - ",
    "1768028146.5 gate ",
    "Mär 10 06:55:46 ",
    "",
  );
  const tags = fc.constantFrom("sshd[7]: ", "auth.info sshd[7]: [ID 800047 auth.info] ", "sshd(pam_unix)[7]: ", "[sshd] ", "");
  const damaged = fc
    .tuple(stamps, tags, sentences, fc.nat(), fc.nat(), fc.string({ maxLength: 5 }))
    .map(([stamp, tag, text, from, length, put]) => {
      const whole = `${stamp}${tag}${text}`;
      const at = from % (whole.length + 1);
      return whole.slice(0, at) + put + whole.slice(at + (length % 9));
    });

  it("is read or refused with a reason, and never throws; its events are well formed", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(damaged, fc.string()), { minLength: 1, maxLength: 6 }), (lines) => {
        for (const result of outcomesOf(lines)) {
          expect(["events", "ignored", "unknown", "invalid", "foreign"]).toContain(result.kind);
          if (result.kind === "invalid") expect(result.reason).not.toBe("");
        }
        const events = eventsOf(lines);
        expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
        for (const { time, data } of events) {
          expect(time.getTime()).not.toBeNaN();
          expect(typeof data["userId"]).toBe("string");
        }
      }),
      { numRuns: runs },
    );
  });
});
