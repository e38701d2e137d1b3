/** What the text of one sshd line says about logins. */
export type SshdText =
  | ({ readonly kind: "failed"; readonly times: number; readonly reason?: string } & Attempt)
  | ({ readonly kind: "accepted" } & Attempt)
  | { readonly kind: "closed"; readonly userId: string }
  | { readonly kind: "other" }
  | { readonly kind: "unreadable"; readonly reason: string };

interface Attempt {
  readonly userId: string;
  /** An address, or sshd's own word UNKNOWN. */
  readonly ip: string;
  readonly method: string;
}

/** More than a syslog daemon ever folds into one line of one sshd process; a forged count must not fill the memory. */
const maxRepeats = 10_000;
const maxUserIdLength = 256;

const repeated = /^message repeated (\d+) times: \[ ?(.*?)\]?$/s;
const attempt = /^(Failed|Accepted) (\S+) for (.*)$/s;
// The name is whatever the client sent, blanks, "from" and "port" included, so only the last match from the right is sshd's own.
// It is greedy for that reason. The part after a colon names the key.
const withPort = /^((?:invalid|illegal) user )?(.*) from (\S+) port \d+(?: ssh[12])?(?:: .*)?(?: \[preauth\])?$/s;
const withoutPort = /^((?:invalid|illegal) user )?(.*) from (\S+)(?: ssh[12])?(?: \[preauth\])?$/s;
const sessionClosed = /^pam_unix\(sshd:session\): session closed for user(?: (.*?))?(?:\(uid=\d+\))?$/s;

/**
 * Reads the text after `sshd[pid]: `.
 *
 * The forms are those of OpenSSH's `auth_log` ("%s %s for %s%.100s from %.200s port %d ssh2%s%s") and of Linux-PAM's pam_unix.
 * Of the lines that end a session only pam_unix's counts: "Disconnected from user", "Received disconnect" and "Connection closed"
 * come beside it, in any combination, and would end one session two or three times.
 */
export function readSshdText(untrimmed: string): SshdText {
  const text = untrimmed.trimEnd();
  const folded = repeated.exec(text);
  if (folded !== null) return readRepeated(Number(folded[1]), folded[2] ?? "");
  const found = attempt.exec(text);
  if (found !== null) return readAttempt(found[1] === "Failed" ? "failed" : "accepted", found[2] ?? "", found[3] ?? "");
  const closed = sessionClosed.exec(text);
  if (closed === null) return { kind: "other" };
  const userId = closed[1] ?? "";
  return userId.length > maxUserIdLength ? tooLong(userId) : { kind: "closed", userId };
}

function readRepeated(times: number, inner: string): SshdText {
  const what = repeated.test(inner) ? ({ kind: "other" } as const) : readSshdText(inner);
  // One process accepts one login and closes one session: a repetition of those lines tells nothing new.
  if (what.kind === "accepted" || what.kind === "closed") return { kind: "other" };
  if (what.kind !== "failed") return what;
  if (times > maxRepeats)
    return { kind: "unreadable", reason: `${times} repetitions in one line; at most ${maxRepeats} are believed` };
  return { ...what, times };
}

function readAttempt(kind: "failed" | "accepted", method: string, rest: string): SshdText {
  const found = withPort.exec(rest) ?? withoutPort.exec(rest);
  if (found === null)
    return { kind: "unreadable", reason: `the line is cut short: it names no address the ${kind} login came from` };
  const [, unknownUser, userId = "", ip = ""] = found;
  if (userId.length > maxUserIdLength) return tooLong(userId);
  if (kind === "accepted") return { kind, userId, ip, method };
  return { kind, times: 1, userId, ip, method, ...(unknownUser === undefined ? {} : { reason: "invalid user" }) };
}

const tooLong = (userId: string): SshdText => ({
  kind: "unreadable",
  reason: `the user name has ${userId.length} characters; at most ${maxUserIdLength} are taken`,
});
