import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { logins } from "../../pipelines/streams.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import { framesOf } from "../support/frames-of.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { classic } from "../unit/pipelines/sshd-log.ts";

const minute = 60_000;
const day = 1_440 * minute;
const now = Date.now();

let operator: Operator;
let folder: string;

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-files-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A log of failures of one user, a minute apart. */
const log = (begin: number, count: number, user = "root") =>
  Array.from(
    { length: count },
    (_, n) =>
      `${classic(new Date(begin + n * minute))} gate sshd[${n}]: Failed password for ${user} from 203.0.113.7 port ${n} ssh2\n`,
  ).join("");

async function put(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  await utimes(path, new Date(), new Date(now));
  return path;
}

/** The times of all failures of a user, in the order in which they are stored. */
async function stored(user: string): Promise<readonly number[]> {
  const bus = await openRedisBus({ url: operator.env["REDIS_URL"] as string, logger: silentLogger });
  try {
    const frames = await Promise.all(partitionsOf(logins.plan).map((partition) => framesOf(bus, partition)));
    return frames
      .flat(2)
      .filter(({ data }) => (data as { readonly userId: string }).userId === user)
      .map(({ time }) => time);
  } finally {
    await bus.close();
  }
}

describe("rotated logs", () => {
  it("are sent the oldest first, however a shell lists them, packed or not; a connection may go on from one to the next", async () => {
    const begin = now - 3 * day;
    const files = [
      await put("auth.log", log(begin + day, 40)),
      await put("auth.log.1", log(begin + day / 2, 40)),
      await put("auth.log.2.gz", gzipSync(log(begin, 40))),
    ];
    const { stdout, stderr } = await operator.run(["send", "logins", "--from", "sshd", "--json", "--file", ...files]);
    expect(JSON.parse(stdout)).toEqual({ sent: 120, duplicates: 0, invalid: 0 });
    expect(stderr).toContain(`In the order of their events: ${[...files].reverse().join(", ")}`);
    const times = await stored("root");
    expect(times).toHaveLength(120);
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });

  it("that are older than what was sent are sent all the same, and it is said before how many come late, and for what", async () => {
    const older = await put("auth.log.3", log(now - 9 * day, 20, "ann"));
    const { stdout, stderr } = await operator.run(["send", "logins", "--from", "sshd", "--tz", "UTC", "--json", "--file", older]);
    expect(JSON.parse(stdout)).toEqual({ sent: 20, duplicates: 0, invalid: 0 });
    expect(stderr).toMatch(
      /^20 of 20 events come too late for 'bursts' of 'login-attacks': it waits for 1 day, and 'logins' has come to /m,
    );
    expect(await stored("ann")).toHaveLength(20);
    const newer = await put("auth.log", log(now - 60 * minute, 20, "ben"));
    expect((await operator.run(["send", "logins", "--from", "sshd", "--tz", "UTC", "--file", newer])).stderr).not.toMatch(
      /too late/,
    );
  });
});

describe("lines", () => {
  it("that no reader would take are refused with their number and reason", async () => {
    const event = (some: object) => JSON.stringify({ type: "login.failed", data: { userId: "eve", ip: "203.0.113.7" }, ...some });
    const input = [
      event({ time: new Date(now - 401 * day).toISOString() }),
      event({ time: new Date(now + 2 * day).toISOString() }),
      event({ version: 2 }),
      event({ id: "a line with U+2028: \u2028" }),
    ].join("\n");
    const { code, stdout, stderr } = await operator.tryRun(["send", "logins", "--json"], { input });
    expect([code, JSON.parse(stdout)]).toEqual([1, { sent: 1, duplicates: 0, invalid: 3 }]);
    expect(stderr).toMatch(/^line 1: the event's time .* is not within 400 days back and one day ahead of now$/m);
    expect(stderr).toMatch(/^line 2: the event's time .* is not within 400 days/m);
    expect(stderr).toMatch(/^line 3: 'login\.failed' is of version 2, and this code knows 1$/m);
    expect(await stored("eve")).toHaveLength(1);
  });

  it("that a format does not understand are counted by kind, and told at the end", async () => {
    const text = (n: number, what: string) => `${classic(new Date(now - minute))} gate sshd[${n}]: ${what}\n`;
    const puzzle = await put("puzzle.log", text(1, "the moon is full") + text(2, "rose 3 petals") + text(3, "rose 4 petals"));
    const { code, stdout, stderr } = await operator.tryRun(["send", "logins", "--from", "sshd", "--json", "--file", puzzle]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      sent: 0,
      duplicates: 0,
      invalid: 0,
      unknown: {
        lines: 3,
        kinds: [
          { kind: "rose … petals", lines: 2, line: 2 },
          { kind: "the moon is full", lines: 1, line: 1 },
        ],
      },
    });
    expect(stderr).toMatch(
      /^3 lines of sshd say nothing that I know:\n +2 {2}rose … petals {2}\(first: line 2\)\n +1 {2}the moon is full {2}\(line 1\)$/m,
    );
    expect(stderr).toMatch(/^Stamps without a zone were read as UTC; --tz/m);
  });

  it("that are not there give the whole file away in one sentence", async () => {
    const array = await put("array.json", `[\n${'{"type":"login.failed"},\n'.repeat(1_000)}]`);
    const { code, stdout, stderr } = await operator.tryRun(["send", "logins", "--file", array]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error: .* it holds a JSON array, not an event a line\n {7}Take it apart first: jq -c .*\n$/m);
  });
});
