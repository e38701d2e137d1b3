import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";

let operator: Operator;
let folder: string;
beforeAll(async () => {
  operator = await openOperator();
  await operator.run(["migrate", "--apply"]);
  folder = await mkdtemp(join(tmpdir(), "headrace-secrets-"));
  await writeFile(join(folder, "temporal.toml"), '[profile.default]\naddress = "127.0.0.1:1"\napi_key = "tigermoth\n');
}, 120_000);
afterAll(async () => {
  await operator.stopAll();
  await rm(folder, { recursive: true, force: true });
});

const doctor = ["doctor"];
const archive = ["archive", "ls"];

// What is wrong, the verb, its environment, and what has to be said of it.
const cases: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>, RegExp])[] = [
  ["Redis away", doctor, { REDIS_URL: "redis://app:tigermoth@127.0.0.1:1" }, /at 127\.0\.0\.1:1/],
  ["Redis, a slash", ["lag"], { REDIS_URL: "redis://app:tiger/moth@127.0.0.1:1" }, /%2F/],
  ["Redis, the address where its file is named", ["ps"], { REDIS_URL: "", REDIS_URL_FILE: "redis://app:tigermoth@h" }, /ENOENT/],
  ["ClickHouse away", doctor, { CLICKHOUSE_URL: "http://app:tigermoth@127.0.0.1:1" }, /at 127\.0\.0\.1:1/],
  [
    "ClickHouse, an unknown setting",
    ["sql", "SELECT 1"],
    { CLICKHOUSE_URL: "http://127.0.0.1:1/?tiger=moth" },
    /behind its '\?'/,
  ],
  ["Temporal, a user", doctor, { TEMPORAL_ADDRESS: "app:tigermoth@127.0.0.1:1" }, /more than a host and a port/],
  ["Temporal, a key with a line break", doctor, { TEMPORAL_API_KEY: "tiger\nmoth" }, /TEMPORAL_API_KEY holds a line break/],
  [
    "Temporal, a broken profile",
    doctor,
    { TEMPORAL_ADDRESS: "", TEMPORAL_CONFIG_FILE: "temporal.toml" },
    /configuration cannot be read/,
  ],
  ["an archive, its keys in the address", archive, { HEADRACE_ARCHIVE: "s3://id:tigermoth@bucket/days" }, /names no bucket/],
  ["an archive of another scheme", archive, { HEADRACE_ARCHIVE: "https://id:tigermoth@minio/days" }, /names no bucket/],
  [
    "an archive, a user in its endpoint",
    archive,
    { HEADRACE_ARCHIVE: "s3://bucket/days", HEADRACE_ARCHIVE_ENDPOINT: "http://id:tigermoth@127.0.0.1:1" },
    /holds a user or a password/,
  ],
  [
    "an archive, half of its keys",
    archive,
    { HEADRACE_ARCHIVE: "s3://bucket/days", HEADRACE_ARCHIVE_SECRET_ACCESS_KEY: "tigermoth" },
    /only the second is set/,
  ],
];

it.each(cases)(
  "a secret is on no output, with all details asked for: %s",
  async (_, verb, env, says) => {
    const named = Object.entries(env).map(([name, value]) => [name, name.endsWith("CONFIG_FILE") ? join(folder, value) : value]);
    const { code, stdout, stderr } = await operator.tryRun(["--debug", ...verb], { env: Object.fromEntries(named) });
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(says);
    expect(stdout + stderr).not.toMatch(/tiger|moth/);
  },
  60_000,
);

it("nor what a bucket says that refuses the keys", async () => {
  const refusal = "<Error><Code>SignatureDoesNotMatch</Code><Message>the keys of s3 do not fit</Message></Error>";
  const bucket = createServer((_, answer) => answer.writeHead(403, { "content-type": "application/xml" }).end(refusal));
  await new Promise<void>((resolve) => bucket.listen(0, "127.0.0.1", resolve));
  try {
    const env = {
      HEADRACE_ARCHIVE: "s3://bucket/days",
      HEADRACE_ARCHIVE_ENDPOINT: `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`,
      HEADRACE_ARCHIVE_ACCESS_KEY_ID: "id",
      HEADRACE_ARCHIVE_SECRET_ACCESS_KEY: "tigermoth",
    };
    const { code, stdout, stderr } = await operator.tryRun(["--debug", ...archive], { env });
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/the keys of s3 do not fit/);
    expect(stdout + stderr).not.toMatch(/tiger|moth/);
  } finally {
    bucket.close();
  }
}, 60_000);

describe("participants", () => {
  const call = (url: string, token?: string) =>
    fetch(`${url}/payments/count`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      body: "{}",
    });

  it("share a token with the others of their state directory without being asked, and take no call without it", async () => {
    const dir = join(folder, "state");
    await operator.start(["--dir", dir, "start", "--role", "participants", "--json"]);
    const path = join(dir, "participants-token");
    const token = await readFile(path, "utf8");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    const { stdout } = await operator.run(["ps", "--json"]);
    const [{ addresses }] = linesOf<{ addresses: Record<string, string> }>(stdout) as [{ addresses: Record<string, string> }];
    const url = addresses["payments"] as string;
    expect((await call(url, token)).status).toBe(200);
    expect((await call(url)).status).toBe(401);
    expect((await call(url, `${token}0`)).status).toBe(401);
    const second = await operator.start(["--dir", dir, "start", "--role", "participants", "--json"]);
    expect(await readFile(path, "utf8")).toBe(token);
    await second.stop();
  }, 60_000);

  it("do not listen beyond this machine without a token that others can know", async () => {
    const { code, stderr } = await operator.tryRun(["start", "--role", "participants"], { env: { HOST: "0.0.0.0" } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/everyone who reaches 0\.0\.0\.0\n.*HEADRACE_PARTICIPANTS_TOKEN/);
  }, 60_000);
});
