import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fetchAs } from "../../support/addresses.ts";
import { notTried } from "../../support/not-tried.ts";
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from "./embedded-clickhouse.ts";

let server: EmbeddedClickHouse;
const hasCurl = spawnSync("curl", ["--version"]).status === 0;
const query = encodeURIComponent("SELECT 'the content'");

beforeAll(async () => {
  server = await startEmbeddedClickHouse();
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

/** A request as it goes over the wire, which no client would write; its answer up to the end of the connection. */
async function raw(...lines: readonly string[]): Promise<string> {
  const socket = connect(Number(new URL(server.address).port), "127.0.0.1");
  let text = "";
  socket.on("data", (piece) => {
    text += piece;
  });
  socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
  await once(socket, "close");
  return text;
}
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const basic = (user: string, password: string) => `Authorization: Basic ${btoa(`${user}:${password}`)}`;
const ours = () => basic("default", server.password);
const host = "Host: 127.0.0.1";

test("who has the password reads, said in any of the ways that ClickHouse knows", async () => {
  const { password } = server;
  for (const answer of [
    await raw(`GET /?query=${query} HTTP/1.1`, host, ours()),
    await raw(`GET /?query=${query} HTTP/1.1`, host, basic("", password)),
    await raw(`GET /?query=${query} HTTP/1.1`, host, `X-ClickHouse-User: default`, `X-ClickHouse-Key: ${password}`),
    await raw(`GET /?query=${query} HTTP/1.1`, host, `X-ClickHouse-Key: ${password}`),
    await raw(`GET /?query=${query}&user=default&password=${password} HTTP/1.1`, host),
    await raw(`GET /?password=${password}&query=${query} HTTP/1.1`, "Host: localhost:1234"),
    await raw(`GET /?query=${query} HTTP/1.1`, "Host: [::1]:80", ours(), "Sec-Fetch-Site: none"),
    await raw(`GET /?query=${query} HTTP/1.1`, host, ours(), "Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1"),
  ]) {
    expect(statusOf(answer)).toBe(200);
    expect(answer).toContain("the content");
  }
});

test.runIf(hasCurl)("curl takes the address as it is printed", () => {
  expect(execFileSync("curl", ["-sS", `${server.url}/?query=${query}`], { encoding: "utf8" })).toBe("the content\n");
  expect(execFileSync("curl", ["-sS", server.url, "--data-binary", "SELECT 1 + 1"], { encoding: "utf8" })).toBe("2\n");
});
if (!hasCurl) notTried("curl takes the address as it is printed", "there is no curl");

test("the official client takes the address as it is printed", async () => {
  const client = createClient({ url: server.url });
  const rows = await client.query({ query: "SELECT currentUser() AS user", format: "JSONEachRow" });
  expect(await rows.json()).toEqual([{ user: "default" }]);
  await client.close();
});

test("who has none, or a wrong one, reads nothing and changes nothing", async () => {
  const nothing = await raw(`GET /?query=${query} HTTP/1.1`, host);
  expect(statusOf(nothing)).toBe(401);
  expect(nothing).toMatch(/WWW-Authenticate: Basic/i);
  expect(nothing).toContain("headrace up");
  expect(nothing).not.toContain("the content");
  for (const lines of [
    [basic("default", "wrong")],
    [basic("default", "")],
    [basic("ada", server.password)],
    ["Authorization: Basic !!!"],
    [`Authorization: Bearer ${server.password}`],
    ["X-ClickHouse-User: default"],
    ["X-ClickHouse-Key: wrong", ours()],
    [`X-ClickHouse-Key: ${server.password}x`],
  ]) {
    const answer = await raw(`GET /?query=${query} HTTP/1.1`, host, ...lines);
    expect({ lines, status: statusOf(answer) }).toEqual({ lines, status: lines[0]?.includes("Bearer") ? 401 : 403 });
    expect(answer).not.toContain("the content");
  }
  const create = "CREATE TABLE stranger (a UInt8) ENGINE = Memory";
  await raw("POST / HTTP/1.1", host, `Content-Length: ${create.length}`, "", create);
  const exists = await fetchAs(server.url, { method: "POST", body: "EXISTS TABLE stranger" });
  expect(await exists.text()).toBe("0\n");
});

test("a page of another site reads nothing, though the browser knew the password", async () => {
  const get = `GET /?query=${query} HTTP/1.1`;
  for (const lines of [
    [get, host, ours(), "Sec-Fetch-Site: cross-site"],
    [get, host, ours(), "Sec-Fetch-Site: same-site"],
    [get, host, ours(), "Sec-Fetch-Site: anything-new"],
    [get, host, ours(), "Origin: https://elsewhere.example"],
    // A page that another program serves on this machine.
    [get, host, ours(), "Origin: http://127.0.0.1:3000"],
    [get, host, ours(), "Origin: null"],
    // A name of a stranger's that points to loopback by now.
    [get, "Host: rebound.example", ours(), "Sec-Fetch-Site: same-origin"],
    [get, "Host: 127.0.0.1.rebound.example", ours(), "Sec-Fetch-Site: none"],
    [get, "Host: localhost.rebound.example:8123", ours()],
    [get, "Host: 10.0.0.1", ours()],
    [get, "Host: ", ours()],
    ["GET /ping HTTP/1.1", host, "Sec-Fetch-Site: cross-site"],
  ]) {
    const answer = await raw(...lines);
    expect({ lines, status: statusOf(answer) }).toEqual({ lines, status: 403 });
    expect(answer).not.toContain("the content");
    expect(answer).not.toMatch(/Access-Control-Allow/i);
  }
  expect(statusOf(await raw("OPTIONS / HTTP/1.1", host, "Access-Control-Request-Method: POST"))).not.toBe(200);
});

const ask = async (body: string, parameters = "") =>
  (await fetchAs(`${server.url}/?${parameters}`, { method: "POST", body })).text();

test.each([
  "SELECT file('/etc/passwd')",
  "SELECT * FROM file('/etc/passwd', 'LineAsString')",
  "SELECT * FROM `/etc/passwd`",
  "SELECT * FROM default.`/etc/passwd`",
  "SELECT * FROM (SELECT * FROM (SELECT * FROM '/etc/passwd'))",
  "SELECT * FROM `file` /* comment */ ('/etc/passwd', 'LineAsString')",
  "SELECT * FROM fileCluster('default', '/etc/passwd', 'LineAsString')",
  "SELECT * FROM filesystem('/etc')",
  "SELECT * FROM icebergLocal('/etc')",
  "SELECT * FROM sqlite('/etc/passwd', 't')",
  "SELECT * FROM url('file:///etc/passwd', 'LineAsString')",
  "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
  "SELECT * FROM urlCluster('default', 'http://127.0.0.1:1/', 'LineAsString')",
  "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'LineAsString')",
  "SELECT * FROM remote('127.0.0.1:9000', system.one)",
  "SELECT * FROM mysql('127.0.0.1:3306', 'd', 't', 'u', 'p')",
  "SELECT * FROM postgresql('127.0.0.1:5432', 'd', 't', 'u', 'p')",
  "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
  "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
  "SELECT * FROM eval('SELECT 1')",
  "SELECT 1 INTO OUTFILE '/tmp/headrace-outfile'",
  "INSERT INTO FUNCTION file('/tmp/headrace-outfile', 'LineAsString', 'a String') SELECT 'x'",
  "INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'LineAsString', 'a String') SELECT 'x'",
  "INSERT INTO FUNCTION remote('127.0.0.1:9000', system.one) SELECT 1",
  "INSERT INTO FUNCTION file('/tmp/headrace-outfile', 'LineAsString', 'a String') FORMAT LineAsString\nx",
  "CREATE TABLE f (a String) ENGINE = File('LineAsString', '/etc/passwd')",
  "CREATE TABLE f (a String) ENGINE = URL('http://127.0.0.1:1/', 'LineAsString')",
  "CREATE TABLE f ENGINE = `URL`('http://127.0.0.1:1/', 'LineAsString') AS SELECT 1",
  "CREATE TABLE f (a String) ENGINE = S3('http://127.0.0.1:1/bucket/a', 'CSV')",
  "CREATE TABLE f (a String) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'CSV')",
  "CREATE TABLE f (a String) ENGINE = ExecutablePool('x.sh', 'TSV')",
  "CREATE TEMPORARY TABLE f (a String) ENGINE = File('LineAsString', '/etc/passwd')",
  "CREATE TABLE f AS file('/etc/passwd', 'LineAsString')",
  "CREATE TABLE f (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'web', endpoint = 'http://127.0.0.1:1/')",
  "CREATE DATABASE f ENGINE = Filesystem('/etc')",
  "CREATE DATABASE f ENGINE = MySQL('127.0.0.1:3306', 'd', 'u', 'p')",
  "CREATE DICTIONARY f (a String) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'LineAsString')) LAYOUT(complex_key_hashed()) LIFETIME(0)",
  "CREATE DICTIONARY f (a String) PRIMARY KEY a SOURCE(HTTP(url 'http://127.0.0.1:1/' format 'CSV')) LAYOUT(complex_key_hashed()) LIFETIME(0)",
  "CREATE DICTIONARY f (a String) PRIMARY KEY a SOURCE(EXECUTABLE(command 'id' format 'CSV')) LAYOUT(complex_key_hashed()) LIFETIME(0)",
  "CREATE FUNCTION f AS x -> x",
  "BACKUP DATABASE default TO File('/tmp/headrace-outfile')",
  "RESTORE DATABASE default FROM File('/tmp/headrace-outfile')",
  "SELECT 1 SETTINGS format_schema = '/etc/passwd:x'",
  "SYSTEM SHUTDOWN",
  "CREATE USER ada",
])("nothing outside of the database is reached by: %s", async (sql) => {
  const text = await ask(sql);
  expect(text).toMatch(/^Code: (497|452|344|36|701|1|318)\. DB::Exception: /);
  expect(text).not.toMatch(/root:|uid=/);
  expect(existsSync("/tmp/headrace-outfile")).toBe(false);
});

test("nor by a parameter that names a function, a role, or a setting", async () => {
  expect(await ask("SELECT arrayMap({f:Identifier}, ['/etc/passwd'])", "param_f=file")).toMatch(/^Code: 497\./);
  expect(await ask("SELECT * FROM {t:Identifier}", "param_t=/etc/passwd")).toMatch(/^Code: 497\./);
  await ask("SET ROLE files");
  expect(await ask("SELECT * FROM '/etc/passwd'", "role=files")).toMatch(/^Code: 497\./);
  expect(await ask("SELECT 1", "dialect=kusto")).toMatch(/^Code: 452\./);
});

test("the archive's own directory is written and read, and leaves no right behind", async () => {
  const file = join(server.archive, "day.parquet");
  expect(await ask(`INSERT INTO FUNCTION file('${file}', 'Parquet', 'a UInt32') SELECT number FROM numbers(5)`)).toBe("");
  expect(await ask(`SELECT sum(a) FROM file('${file}', 'Parquet', 'a UInt32')`)).toBe("10\n");
  for (let n = 0; n < 12; n += 1) expect(await ask("SELECT * FROM '/etc/passwd'")).toMatch(/^Code: 497\./);
});
