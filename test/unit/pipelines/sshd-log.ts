import { createHash } from "node:crypto";
import type { LineContext, LineEvent, LineResult } from "headrace";
import { sshdReader } from "../../../pipelines/formats/sshd.ts";
import { createRandom } from "../../demo/random.ts";

/** A UUID of version 8 from a SHA-256, as the door of the framework makes them. */
function idOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const defaults: LineContext = { now: new Date("2026-01-15T12:00:00Z"), idOf };

export function outcomesOf(lines: readonly string[], context: Partial<LineContext> = {}): readonly LineResult[] {
  return lines.map(sshdReader({ ...defaults, ...context }));
}

/** The events of a whole log, those included that are certain only when it is at its end. */
export function eventsOf(lines: readonly string[], context: Partial<LineContext> = {}): readonly LineEvent[] {
  const read = sshdReader({ ...defaults, ...context });
  const events = lines
    .map(read)
    .flatMap((result) => [...(result.settled ?? []), ...(result.kind === "events" ? result.events : [])]);
  return [...events, ...(read.end?.().settled ?? [])];
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
export const classic = (time: Date): string =>
  `${months[time.getUTCMonth()]} ${String(time.getUTCDate()).padStart(2)} ${time.toISOString().slice(11, 19)}`;
export const iso = (time: Date): string => time.toISOString().replace("Z", "000+00:00");

/** A log of `connections` to one busy host, in order of time, with the noise that sshd and its neighbours make. */
export function sshdLog(connections: number, seed: number, stampOf: (time: Date) => string, start: Date): string[] {
  const random = createRandom(seed);
  const lines: { at: number; order: number; text: string }[] = [];
  const names = [
    "root",
    "alice",
    "deploy",
    "git",
    "o'hara",
    "two words",
    "from",
    "port",
    "invalid user",
    "user from 10.9.9.9 port 9",
    "",
    "Zo\\303\\253",
  ];
  let at = start.getTime();
  for (let n = 0; n < connections; n++) {
    at += Math.floor(random.exponential(20_000));
    const pid = 1_000 + (n % 31_000);
    const program = random.chance(0.3) ? "sshd-session" : "sshd";
    const ip = random.chance(0.1)
      ? `2001:db8::${random.hex(4)}`
      : `${random.int(1, 223)}.${random.int(0, 255)}.${random.int(0, 255)}.${random.int(1, 254)}`;
    const port = random.int(1_024, 65_535);
    const user = random.pick(names);
    const origin = `from ${ip} port ${port} ssh2`;
    const say = (laterMs: number, text: string, tag = `${program}[${pid}]`) =>
      lines.push({ at: at + laterMs, order: lines.length, text: `${stampOf(new Date(at + laterMs))} gate ${tag}: ${text}` });

    if (random.chance(0.2)) say(0, "(root) CMD (run-parts /etc/cron.hourly)", `CRON[${pid}]`);
    if (random.chance(0.05))
      say(0, `${user} : USER=root ; COMMAND=/bin/echo sshd[1]: Failed password for root from 1.2.3.4 port 22 ssh2`, "sudo");
    if (random.chance(0.2)) {
      const session = Math.floor(random.logNormal(600_000, 1));
      say(0, `Accepted ${random.pick(["password", "publickey"])} for ${user} ${origin}: ED25519 SHA256:${random.hex(43)}`);
      say(0, `pam_unix(sshd:session): session opened for user ${user}(uid=1000) by (uid=0)`);
      if (random.chance(0.1)) continue;
      say(session, `Received disconnect from ${ip} port ${port}:11: disconnected by user`);
      say(session, `Disconnected from user ${user} ${ip} port ${port}`);
      say(session, `pam_unix(sshd:session): session closed for user ${user}`);
    } else {
      const unknown = random.chance(0.6) ? "invalid user " : "";
      const failure = `Failed ${random.pick(["password", "none", "keyboard-interactive/pam"])} for ${unknown}${user} ${origin}`;
      if (unknown) say(0, `Invalid user ${user} from ${ip} port ${port}`);
      say(0, `pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${ip}  user=${user}`);
      say(2_000, failure);
      if (random.chance(0.15)) say(2_000, failure);
      if (random.chance(0.1)) say(9_000, `message repeated ${random.int(2, 5)} times: [ ${failure}]`);
      say(9_500, `Connection closed by ${unknown}${ip} port ${port} [preauth]`);
    }
  }
  return lines.sort((x, y) => x.at - y.at || x.order - y.order).map((line) => line.text);
}
