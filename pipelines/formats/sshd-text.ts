import { findOrigin, type Origin } from "./sshd-origin.ts";

/**
 * What the text of one sshd line says about logins.
 * - `failed`, `accepted`: an attempt, and how it ended;
 * - `suspected`: an attempt that came to nothing, told beside other lines or alone: one failure of its connection, where no line counts one;
 * - `opened`, `closed`: a session, by PAM;
 * - `begun`, `ended`: a connection;
 * - `other`: nothing of a login;
 * - `unknown`: a sentence that is not known.
 */
export type SshdText =
  | ({ readonly kind: "failed"; readonly times: number } & Attempt)
  | ({ readonly kind: "accepted" } & Attempt)
  /** The line names several places; which one is sshd's own, its connection may tell. */
  | { readonly kind: "ambiguous"; readonly failed: boolean; readonly method: string; readonly choices: readonly Origin[] }
  /** `once`: sshd says it at most once of a connection. `ends`: it is the last that sshd says of it. */
  | ({ readonly kind: "suspected"; readonly reason: string; readonly once: boolean; readonly ends: boolean } & Partial<Party>)
  | { readonly kind: "opened"; readonly userId: string }
  | { readonly kind: "closed"; readonly userId: string }
  | ({ readonly kind: "begun" | "ended" } & Partial<Party>)
  | { readonly kind: "other" }
  | { readonly kind: "unknown" }
  | { readonly kind: "unreadable"; readonly reason: string };

interface Party {
  readonly userId: string;
  /** An address, a host name, or sshd's own word UNKNOWN. */
  readonly ip: string;
  readonly port: string;
}

export interface Attempt extends Origin {
  readonly method: string;
}

/** More than a syslog daemon ever folds into one line; a forged count must not fill the memory. */
export const maxRepeats = 10_000;
const maxUserIdLength = 256;

const folded = /^message repeated (\d+) times: \[ ?(.*?)\]?$/s;
/** sshd says it of all that comes before the login. */
const preauth = / \[preauth\]$/;
const attempt = /^(Failed|Accepted) (\S+) for (.*)$/s;

type Groups = Readonly<Record<string, string | undefined>>;
/** What it says, `isPreauth` before the login. */
type Says = (groups: Groups, isPreauth: boolean) => SshdText;
type Sentence = readonly [form: RegExp, says: Says];

const address = "(?<ip>\\S+) port (?<port>\\d+)";
/** sshd did not always tell the port. */
const oldAddress = "(?<ip>\\S+)(?: port (?<port>\\d+))?";

const suspected =
  (reason: string, { once = false, ends = false }: { readonly once?: boolean; readonly ends?: boolean } = {}): Says =>
  (groups) => ({
    kind: "suspected",
    once,
    ends,
    reason: groups["invalid"] === undefined ? reason : "invalid user",
    ...party(groups),
  });
const ended: Says = (groups) => ({ kind: "ended", ...party(groups) });
/** Before the login a user's name stands there only where the client has tried to be that user. */
const left: Says = (groups, isPreauth) =>
  isPreauth && (groups["invalid"] !== undefined || groups["trying"] !== undefined)
    ? suspected("connection closed", { ends: true })(groups, isPreauth)
    : ended(groups, isPreauth);

const who = "(?:(?<invalid>invalid user) ?|(?<trying>authenticating user) |user )";
const unknownUser = "(?:(?<invalid>invalid|illegal) user )?";
const pam = "^(?:pam_\\w+\\(sshd(?::\\w+)?\\):|\\(pam_\\w+\\)) +";
const uid = "(?:\\(uid=\\d+\\))?";
const form = (text: string): RegExp => new RegExp(text, "s");

/**
 * OpenSSH's sentences, without `error: ` or `fatal: ` before them. Names are whatever the client sent: they are greedy, and what sshd
 * wrote behind them is bound to the end of the line, so that nothing in them passes for it.
 */
const sentences: readonly Sentence[] = [
  [form(`^Connection from ${address}(?: on .*)?$`), (groups) => ({ kind: "begun", ...party(groups) })],
  [form(`^(?<invalid>[Ii]nvalid|[Ii]llegal) user (?<userId>.*) from ${oldAddress}$`), suspected("invalid user", { once: true })],
  [
    form(`^maximum authentication attempts exceeded for ${unknownUser}(?<userId>.*) from ${oldAddress}(?: ssh[12])?$`),
    suspected("too many attempts"),
  ],
  [form(`^PAM: [^:]*? for ${unknownUser}(?<userId>.*) from (?<ip>\\S+)(?: via \\S+)?$`), suspected("authentication failure")],
  [
    form(
      `${pam}authentication failure; logname=\\S* uid=\\d* euid=\\d* tty=\\S* ruser=(?<ruser>\\S*) rhost=(?<ip>\\S*)(?: +user=(?<userId>.*?))?$`,
    ),
    suspected("authentication failure"),
  ],
  [form(`^User (?<userId>.*) from ${oldAddress} not allowed because `), suspected("not allowed")],
  [form("^User (?<userId>.*) not allowed because "), suspected("not allowed")],
  [
    form(`^ROOT LOGIN REFUSED FROM ${oldAddress}$`),
    (groups, isPreauth) => suspected("not allowed")({ ...groups, userId: "root" }, isPreauth),
  ],
  [
    form(`^Disconnecting(?: ${who}(?<userId>.*) ${address})?: Too many authentication failures(?: for .*)?$`),
    suspected("too many attempts", { ends: true }),
  ],
  // What follows the colon may be the client's, and so may an unknown user's name: the address of such a line is not taken.
  [form(`^Disconnecting (?<trying>authenticating user) (?<userId>\\S*) ${address}: .*$`), left],
  [form(`^Disconnecting(?: (?:(?<invalid>invalid user)|(?<trying>authenticating user)) .*)?: .*$`), left],
  // 14: no method is left. JSch gives another number, and the same reason.
  [
    form(`^Received disconnect from ${oldAddress}: ?(?:14: ?No .*|3: .*Auth fail)$`),
    suspected("connection closed", { ends: true }),
  ],
  [form(`^Received disconnect from ${oldAddress}: ?\\d+:.*$`), ended],
  [form(`^(?:Connection (?:closed|reset) by|Disconnected from) ${who}(?:(?<userId>.*) )?${address}$`), left],
  [form(`^(?:Connection (?:closed|reset) by|Disconnected from) ${oldAddress}$`), left],
  [form(`^Timeout, client not responding from (?:user (?<userId>.*) )?${address}$`), ended],
  [form(`^Timeout before authentication for ${oldAddress}$`), ended],
  [form(`^Read error from remote host (?:${who}(?<userId>.*) )?${address}: `), ended],
  [form(`${pam}session opened for user (?<userId>.*?)${uid}(?: by .*)?$`), ({ userId = "" }) => ({ kind: "opened", userId })],
  [form(`${pam}session closed for user(?: (?<userId>.*?))?${uid}$`), ({ userId = "" }) => ({ kind: "closed", userId })],
];

/** What sshd says beside logins: how connections begin, what they are used for, who was not let as far as a login. */
const asides = [
  "Accepted (?:key|certificate ID) ",
  "Address \\S+ maps to ",
  "Authentication refused: ",
  "Authentication tried for ",
  "Authorized to ",
  "Bad packet length ",
  "Bad protocol version identification ",
  "Bind to port ",
  "Certificate ",
  "Close session: ",
  "Closing connection to ",
  "Connection from ",
  "Connection (?:closed|reset)(?: by remote host)?$",
  "Could not ",
  "Deprecated option ",
  "Did not receive identification string",
  "Exiting on signal",
  "Failed to ",
  "Found matching ",
  "Local disconnected: ",
  "Magic value check failed ",
  "Nasty PTR record ",
  "PAM \\d+ more authentication failures?;",
  "PAM service\\(\\w+\\) ignoring max retries",
  "PAM: ",
  "Partial ",
  "Postponed ",
  "Protocol major versions differ",
  "Read from socket failed",
  "Received SIGHUP",
  "Received signal ",
  "Root login accepted ",
  "SSH: Server;",
  "Server listening on ",
  "Set /proc/self/oom",
  "Starting session: ",
  "Timeout before authentication for connection from ",
  "Transferred: ",
  "Unable to negotiate ",
  "User child is on pid ",
  "Write failed",
  "banner exchange: ",
  "beginning MaxStartups ",
  "buffer_get_",
  "debug\\d: ",
  "drop connection ",
  "exited MaxStartups ",
  "input_userauth_request: ",
  "kex_exchange_identification: ",
  "kex_protocol_error: ",
  "lastlog_",
  "mm_",
  "monitor_",
  "no hostkeys available",
  "no matching ",
  "packet_write_",
  "padding error: ",
  "pam_\\w+\\(sshd",
  "penalty: ",
  "refused connect from ",
  "reverse mapping checking getaddrinfo ",
  "rexec line ",
  "session opened for local user ",
  "srclimit_",
  "ssh_dispatch_run_fatal: ",
  "ssh_packet_",
  "sshd version ",
  "subsystem request for ",
  "syslogin_perform_logout: ",
  "userauth_",
];
const aside = new RegExp(`^(?:${asides.join("|")})`);

/** Reads the text after `sshd[pid]: `. */
export function readSshdText(untrimmed: string): SshdText {
  const text = untrimmed.trimEnd();
  const repeated = folded.exec(text);
  if (repeated !== null) return readFolded(Number(repeated[1]), repeated[2] ?? "");
  const found = attempt.exec(text);
  if (found !== null) {
    return readAttempt(found[1] === "Failed", found[2] ?? "", found[3] ?? "");
  }
  const isPreauth = preauth.test(text);
  const bare = text.replace(preauth, "").replace(/^(?:error|fatal|info): (?!$)/, "");
  for (const [sentence, says] of sentences) {
    const groups = sentence.exec(bare)?.groups;
    if (groups !== undefined) return says(groups, isPreauth);
  }
  return { kind: aside.test(bare) ? "other" : "unknown" };
}

function readFolded(times: number, inner: string): SshdText {
  const what: SshdText = folded.test(inner) ? { kind: "other" } : readSshdText(inner);
  // One process accepts one login and closes one session: a repetition of those lines tells nothing new.
  if (what.kind === "accepted" || what.kind === "closed" || what.kind === "opened") return { kind: "other" };
  if (what.kind !== "failed") return what;
  if (times > maxRepeats)
    return { kind: "unreadable", reason: `${times} repetitions in one line; at most ${maxRepeats} are believed` };
  return { ...what, times };
}

function readAttempt(failed: boolean, method: string, rest: string): SshdText {
  const found = findOrigin(rest.replace(preauth, ""));
  switch (found.kind) {
    case "none":
      return {
        kind: "unreadable",
        reason: `the line is cut short: it names no address the ${failed ? "failed" : "accepted"} login came from`,
      };
    case "ambiguous":
      return { kind: "ambiguous", failed, method, choices: found.choices };
    case "origin":
      if (found.userId.length > maxUserIdLength) return tooLong(found.userId);
      return failed ? { ...found, kind: "failed", times: 1, method } : { ...found, kind: "accepted", method };
  }
}

const tooLong = (userId: string): SshdText => ({
  kind: "unreadable",
  reason: `the user name has ${userId.length} characters; at most ${maxUserIdLength} are taken`,
});

function party({ ruser, userId = ruser || undefined, ip, port }: Groups): Partial<Party> {
  return {
    ...(userId !== undefined && { userId }),
    ...(ip !== undefined && ip !== "" && { ip }),
    ...(port !== undefined && { port }),
  };
}

/** The first words of a sentence, without what differs from line to line: lines are counted by it. */
export const kindOf = (text: string): string =>
  text
    .split(/\s+/)
    .slice(0, 6)
    .map((word) => (/[\d"'\\]/.test(word) ? "…" : word.slice(0, 40)))
    .join(" ");
