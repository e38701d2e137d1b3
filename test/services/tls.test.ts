import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../src/core/log.ts";
import { Node } from "../../src/redis/node.ts";
import { makeAuthority, makeClient, makeServer } from "../support/certificates.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { type OwnCluster, startCluster } from "../support/redis-cluster.ts";
import { openTlsDoor, type TlsDoor } from "../support/tls-door.ts";

let operator: Operator;
let folder: string;
/** By what is wrong with the server's certificate. */
const doors: Record<string, { readonly redis: TlsDoor; readonly clickhouse: TlsDoor }> = {};

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-tls-"));
  const [authority, other] = [await makeAuthority(), await makeAuthority("another authority")];
  const client = await makeClient("shop", authority);
  const servers = {
    sound: await makeServer("localhost", authority),
    expired: await makeServer("localhost", authority, new Date(Date.now() - 86_400_000)),
    elsewhere: await makeServer("elsewhere.example", authority),
  };
  const files = {
    "ca.pem": authority.cert,
    "other-ca.pem": other.cert,
    "client.pem": client.cert,
    "client.key": client.key,
    "foreign.pem": (await makeClient("stranger", other)).cert,
    "foreign.key": (await makeServer("stranger", other)).key,
    "password": "tigermoth\n",
    "nothing": "",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const { REDIS_URL, CLICKHOUSE_URL } = operator.env as { REDIS_URL: string; CLICKHOUSE_URL: string };
  for (const [name, server] of Object.entries(servers)) {
    doors[name] = {
      redis: await openTlsDoor(new URL(REDIS_URL), server, authority),
      clickhouse: await openTlsDoor(new URL(CLICKHOUSE_URL), server, authority),
    };
  }
}, 120_000);
afterAll(async () => {
  await operator.stopAll();
  for (const { redis, clickhouse } of Object.values(doors)) for (const door of [redis, clickhouse]) door.close();
  await rm(folder, { recursive: true, force: true });
});

const doorOf = (name: string) => doors[name] ?? expect.fail(`there is no door '${name}'`);

/** The address of a service through a door: the same user, password and database. */
const over = (variable: string, scheme: string, door: TlsDoor): string =>
  (operator.env[variable] as string).replace(
    /^\w+:\/\/([^/]*@)?[^/]*/,
    (_, user = "") => `${scheme}${user}localhost:${door.port}`,
  );

/** Redis and ClickHouse through doors, with the files of a client that may enter; others laid over them. */
function through(name = "sound", files: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const { redis, clickhouse } = doorOf(name);
  const path = (file: string) => (file === "" ? "" : join(folder, file));
  const parts = { CA: "ca.pem", CERT: "client.pem", KEY: "client.key", ...files };
  const named = (service: string) =>
    Object.fromEntries(Object.entries(parts).map(([part, file]) => [`${service}_TLS_${part}_FILE`, path(file)]));
  return {
    REDIS_URL: over("REDIS_URL", "rediss://", redis),
    CLICKHOUSE_URL: over("CLICKHOUSE_URL", "https://", clickhouse),
    ...named("REDIS"),
    ...named("CLICKHOUSE"),
  };
}

describe("Redis and ClickHouse over TLS that asks for a certificate", () => {
  it("are reached by roles and verbs: an event becomes a row", async () => {
    const env = through();
    await operator.run(["migrate", "--apply"], { env });
    await operator.start(["start", "--role", "worker", "--pipelines", "login-analytics", "--json"], { env });
    const input = `${JSON.stringify({ type: "login.failed", data: { userId: "ada", ip: "203.0.113.7" } })}\n`;
    expect((await operator.run(["send", "logins"], { env, input })).stdout).toContain("sent 1");
    await operator.drained("login-analytics");
    const { stdout } = await operator.run(["sql", "SELECT toUInt32(count()) AS rows FROM login_events", "--json"], { env });
    expect(linesOf(stdout)).toEqual([{ rows: 1 }]);
    expect(doorOf("sound").redis.entered()).toBeGreaterThan(1);
    expect(doorOf("sound").clickhouse.entered()).toBeGreaterThan(1);
  }, 120_000);

  it("are refused with what is wrong and the way out, by doctor for both at once", async () => {
    const ca = /Name the authority that has signed .* in (REDIS|CLICKHOUSE)_TLS_CA_FILE/;
    const cert = /name one that it trusts in (REDIS|CLICKHOUSE)_TLS_CERT_FILE and .*_TLS_KEY_FILE/;
    const cases = [
      ["another authority", through("sound", { CA: "other-ca.pem" }), ca],
      ["no authority", through("sound", { CA: "" }), ca],
      ["no certificate", through("sound", { CERT: "", KEY: "" }), cert],
      ["one that has expired", through("expired"), /Renew the certificate of the server/],
      ["another host", through("elsewhere"), /Use a name in (REDIS|CLICKHOUSE)_URL that the certificate of the server holds/],
      ["half a certificate", through("sound", { KEY: "" }), /Name both, or neither/],
      ["a key of another", through("sound", { KEY: "foreign.key" }), /the key is that of the certificate/],
      ["no PEM", through("sound", { CERT: "password" }), /Each names a file in PEM form/],
      ["an empty file", through("sound", { CA: "nothing" }), /Correct the path/],
      ["a plain address", { ...through(), ...operator.env }, /Write (rediss|https):\/\/ in (REDIS|CLICKHOUSE)_URL/],
    ] as const;
    const left = [...cases];
    const lane = async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [name, env, hint] = next;
        const { stdout } = await operator.tryRun(["doctor", "--json"], { env });
        const findings = linesOf<{ where: string; severity: string; what: string; hint: string }>(stdout);
        for (const where of ["redis", "clickhouse"]) {
          const found = findings.filter((finding) => finding.where === where && finding.severity === "error");
          expect(found, `${name}: ${where}`).toEqual([expect.objectContaining({ hint: expect.stringMatching(hint) })]);
        }
        expect(stdout).not.toContain("tigermoth");
      }
    };
    await Promise.all([lane(), lane()]);
  }, 180_000);

  it("keep their certificates for every server of a cluster", () => {
    const tls = { ca: "the authority" };
    const node = new Node({ url: "rediss://user:password@one:6379", tls, logger: silentLogger, name: "test" });
    expect(node.at("two:6380").options).toMatchObject({ url: "rediss://user:password@two:6380", tls });
    void node.close();
  });
});

describe("a Redis Cluster over TLS that asks for a certificate", () => {
  const masters: TlsDoor[] = [];
  let cluster: OwnCluster;
  beforeAll(async () => {
    const authority = await makeAuthority();
    const server = await makeServer("localhost", authority);
    const client = await makeClient("shop", authority);
    for (const [name, text] of [
      ["cluster-ca.pem", authority.cert],
      ["cluster-client.pem", client.cert],
      ["cluster-client.key", client.key],
    ] as const)
      await writeFile(join(folder, name), text);
    cluster = await startCluster(3, async (port) => {
      const door = await openTlsDoor(new URL(`redis://127.0.0.1:${port}`), server, authority);
      masters.push(door);
      // As one that speaks TLS itself announces its port, and the name that its certificate holds.
      return {
        "cluster-announce-port": String(door.port),
        "cluster-announce-hostname": "localhost",
        "cluster-preferred-endpoint-type": "hostname",
      };
    });
  }, 60_000);
  afterAll(async () => {
    for (const door of masters) door.close();
    await cluster?.close();
  });

  it("is reached by roles and verbs, at each of its servers", async () => {
    const file = (name: string) => join(folder, name);
    const env = {
      REDIS_URL: `rediss://localhost:${masters[0]?.port}`,
      REDIS_TLS_CA_FILE: file("cluster-ca.pem"),
      REDIS_TLS_CERT_FILE: file("cluster-client.pem"),
      REDIS_TLS_KEY_FILE: file("cluster-client.key"),
    };
    await operator.run(["migrate", "--apply"], { env });
    const worker = await operator.start(["start", "--role", "worker", "--pipelines", "login-analytics", "--json"], { env });
    const input = Array.from({ length: 40 }, (_, n) =>
      JSON.stringify({ type: "login.failed", data: { userId: `user-${n}`, ip: "203.0.113.8" } }),
    ).join("\n");
    expect((await operator.run(["send", "logins"], { env, input })).stdout).toContain("sent 40");
    await vi.waitFor(
      async () => {
        const { stdout } = await operator.tryRun(["audit", "--json"], { env });
        const line = linesOf<{ pipeline: string }>(stdout).find(({ pipeline }) => pipeline === "login-analytics");
        expect(line).toMatchObject({ read: 40, delivered: 40, balanced: true });
      },
      { timeout: 30_000, interval: 200 },
    );
    for (const door of masters) expect(door.entered()).toBeGreaterThan(1);
    const { stdout } = await operator.tryRun(["doctor", "--json"], { env });
    expect(linesOf<{ where: string; severity: string }>(stdout).filter(({ severity }) => severity === "error")).toEqual([]);
    await worker.stop();
    const refused = await operator.tryRun(["lag"], { env: { ...env, REDIS_TLS_CERT_FILE: "", REDIS_TLS_KEY_FILE: "" } });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("REDIS_TLS_CERT_FILE") });
  }, 120_000);
});

describe("a secret", () => {
  it("is read from a file without the line break at its end, and never together with its variable", async () => {
    const file = join(folder, "url");
    await writeFile(file, `${operator.env["REDIS_URL"]}\n`);
    expect((await operator.tryRun(["lag"], { env: { REDIS_URL: "", REDIS_URL_FILE: file } })).code).toBe(0);
    const both = await operator.tryRun(["lag"], { env: { REDIS_URL_FILE: file } });
    expect(both).toMatchObject({ code: 1, stderr: expect.stringContaining("REDIS_URL and REDIS_URL_FILE are both set") });
  }, 60_000);

  it("that crosses a network in plain is warned of, once", async () => {
    const env = { REDIS_URL: "redis://app:tigermoth@192.0.2.1:1,redis://app:tigermoth@127.0.0.1:1" };
    const { stderr } = await operator.tryRun(["sql", "SELECT 1"], {
      env: { CLICKHOUSE_URL: "http://app:tigermoth@clickhouse.invalid:1" },
    });
    expect(stderr.match(/the password of CLICKHOUSE_URL crosses the network in plain/g)).toHaveLength(1);
    const ps = await operator.tryRun(["ps"], { env });
    expect(ps.stderr.match(/the password of REDIS_URL crosses the network in plain/g)).toHaveLength(1);
    expect(stderr + ps.stderr).not.toContain("tigermoth");
  }, 60_000);
});
