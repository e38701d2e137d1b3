import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fetchAs } from "../../support/addresses.ts";
import { isLong } from "../../support/long-form.ts";
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from "./embedded-clickhouse.ts";

let server: EmbeddedClickHouse;
const parts: string[] = [];

beforeAll(async () => {
  server = await startEmbeddedClickHouse();
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

interface Ask {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

async function ask({ query = {}, body, headers = {}, method = "POST" }: Ask) {
  const url = `${server.url}/?${new URLSearchParams(query)}`;
  const answer = await fetchAs(url, { method, headers, ...(body !== undefined && { body: body as string }) });
  return { status: answer.status, text: await answer.text(), header: (name: string) => answer.headers.get(name) };
}

const sql = async (text: string, query: Ask["query"] = {}) => (await ask({ query, body: text })).text;

async function table(columns: string): Promise<string> {
  const name = `t${parts.push("")}`;
  expect(await sql(`CREATE TABLE ${name} (${columns}) ENGINE = MergeTree ORDER BY tuple()`)).toBe("");
  return name;
}

test("ping answers as the server does", async () => {
  const answer = await fetch(`${server.address}/ping`);
  expect([answer.status, await answer.text()]).toEqual([200, "Ok.\n"]);
});

test("a query comes in the address, in the body, or begins in one and goes on in the other", async () => {
  expect((await ask({ method: "GET", query: { query: "SELECT 1" } })).text).toBe("1\n");
  expect(await sql("SELECT 2")).toBe("2\n");
  expect(await sql("+ 4", { query: "SELECT 3" })).toBe("7\n");
});

test("comments, a trailing semicolon and semicolons in strings do not disturb", async () => {
  expect(await sql("/* ; */ SELECT ';' AS a -- ;\n ; ")).toBe(";\n");
  expect(await sql("SELECT 1 AS `FORMAT`\nFORMAT JSONEachRow")).toBe('{"FORMAT":1}\n');
});

test("a second statement is refused", async () => {
  const answer = await ask({ body: "SELECT 1; DROP TABLE t" });
  expect([answer.status, answer.header("x-clickhouse-exception-code")]).toEqual([400, "62"]);
});

test("the format comes from the SQL, else from the header, else from default_format", async () => {
  const text = "SELECT 1 AS a";
  expect(await sql(text)).toBe("1\n");
  expect(await sql(text, { default_format: "JSONEachRow" })).toBe('{"a":1}\n');
  const headers = { "X-ClickHouse-Format": "CSVWithNames" };
  expect((await ask({ body: text, headers, query: { default_format: "JSONEachRow" } })).text).toBe('"a"\n1\n');
  const answer = await ask({ body: `${text} FORMAT JSONCompactEachRow`, headers });
  expect([answer.text, answer.header("x-clickhouse-format")]).toEqual(["[1]\n", "JSONCompactEachRow"]);
});

test("the answer tells query id, name, time zone and what was read", async () => {
  const answer = await ask({ body: "SELECT count() FROM numbers(10)", query: { query_id: "mine", wait_end_of_query: "1" } });
  expect(answer.header("x-clickhouse-query-id")).toBe("mine");
  expect(answer.header("x-clickhouse-server-display-name")).toBeTruthy();
  expect(answer.header("x-clickhouse-timezone")).toBeTruthy();
  expect(JSON.parse(answer.header("x-clickhouse-summary") ?? "")).toMatchObject({ read_rows: expect.stringMatching(/^\d+$/) });
});

test.each([
  ["an unknown table", "SELECT * FROM nowhere", 404, "60"],
  ["a syntax error", "SELEC 1", 400, "62"],
  ["an unknown column", "SELECT nothing FROM system.one", 404, "47"],
  ["an unknown function", "SELECT nofunction()", 404, "46"],
  ["a text that is no number", "SELECT toUInt8('x')", 400, "6"],
  ["an exception of its own", "SELECT throwIf(1)", 500, "395"],
])("%s has the server's status, code and text", async (_, text, status, code) => {
  const answer = await ask({ body: text });
  expect([answer.status, answer.header("x-clickhouse-exception-code")]).toEqual([status, code]);
  expect(answer.text).toMatch(new RegExp(`^Code: ${code}\\. DB::Exception: .* \\([A-Z_]+\\) \\(version [\\d.]+\\)\\n$`, "s"));
});

test("settings in the address hold for their statement alone", async () => {
  const ask = "SELECT getSetting('max_threads'), getSetting('join_use_nulls')";
  const before = await sql(ask);
  expect(await sql(ask, { max_threads: "7", join_use_nulls: "1" })).toBe("7\ttrue\n");
  for (let i = 0; i < 12; i += 1) expect(await sql(ask)).toBe(before);
});

test("settings do not stay when the statement fails, or when one of them does not exist", async () => {
  const before = await sql("SELECT getSetting('max_threads')");
  await sql("SELECT * FROM nowhere", { max_threads: "7" });
  expect(
    (await ask({ body: "SELECT 1", query: { max_threads: "7", no_such_setting: "1" } })).header("x-clickhouse-exception-code"),
  ).toBe("115");
  await sql("SET max_threads = 9");
  for (let i = 0; i < 12; i += 1) expect(await sql("SELECT getSetting('max_threads')")).toBe(before);
});

test("the engine's own deviations from the defaults come back after a statement has set them", async () => {
  const changed = "SELECT name, value FROM system.settings WHERE changed ORDER BY name";
  const before = await sql(changed);
  await sql("SELECT 1", { storage_file_read_method: "pread", allow_introspection_functions: "0" });
  expect(await sql(changed)).toBe(before);
});

test("max_execution_time ends a statement", async () => {
  const answer = await ask({
    body: "SELECT count() FROM numbers(1e12) WHERE NOT ignore(sipHash64(number))",
    query: { max_execution_time: "0.3" },
  });
  expect([answer.status, answer.header("x-clickhouse-exception-code")]).toEqual([408, "159"]);
});

test("parameters are bound by the engine, and are never seen by another statement", async () => {
  expect(await sql("SELECT {x:String}, {n:UInt8} + 1", { param_x: "it's \\t '", param_n: "4" })).toBe("it\\'s \\t \\'\t5\n");
  for (let i = 0; i < 12; i += 1) {
    const answer = await ask({ body: "SELECT {x:String}" });
    expect(answer.header("x-clickhouse-exception-code")).toBe("456");
  }
});

test("forty statements at once keep their settings, parameters and databases apart", async () => {
  for (const name of ["a", "b"]) await sql(`CREATE DATABASE IF NOT EXISTS apart_${name}`);
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const query = { param_x: String(i), max_threads: String(1 + (i % 5)), database: `apart_${i % 2 ? "a" : "b"}` };
      const got = await sql("SELECT {x:String}, getSetting('max_threads'), currentDatabase()", query);
      return [got, `${query.param_x}\t${query.max_threads}\t${query.database}\n`];
    }),
  );
  for (const [got, wanted] of answers) expect(got).toBe(wanted);
});

test("database names where tables are looked for, for one statement", async () => {
  expect(await sql("SELECT currentDatabase(), count() > 0 FROM settings", { database: "system" })).toBe("system\t1\n");
  expect((await ask({ body: "SELECT 1", query: { database: "nowhere" } })).header("x-clickhouse-exception-code")).toBe("81");
  expect(await sql("SELECT currentDatabase()")).toBe("default\n");
  const headers = { "X-ClickHouse-Database": "system" };
  expect((await ask({ body: "SELECT currentDatabase()", headers })).text).toBe("system\n");
});

test("INSERT takes its data from the body in text and binary formats", async () => {
  const name = await table("a UInt32, b String");
  const insert = (rest: string, body: string | Uint8Array) => ask({ query: { query: `INSERT INTO ${name} ${rest}` }, body });
  expect((await insert("FORMAT JSONEachRow", '{"a":1,"b":"x"}\n{"a":2}')).status).toBe(200);
  expect((await insert("(b, a) FORMAT CSV", '"two;lines",3')).status).toBe(200);
  expect((await insert("FORMAT RowBinary", Buffer.from([4, 0, 0, 0, 3, 0xc3, 0xa9, 0x0a]))).status).toBe(200);
  const block = await fetchAs(
    `${server.url}/?query=${encodeURIComponent("SELECT toUInt32(5) AS a, '\\r\\nfive' AS b FORMAT Native")}`,
  );
  const summary = await insert(
    "SETTINGS input_format_skip_unknown_fields = 0 FORMAT Native",
    new Uint8Array(await block.arrayBuffer()),
  );
  expect(JSON.parse(summary.header("x-clickhouse-summary") ?? "")).toMatchObject({ written_rows: "1" });
  expect((await insert("VALUES", "(6, 'six')")).status).toBe(200);
  expect((await insert("(a) VALUES (7), (8)", "")).status).toBe(200);
  expect((await insert("SELECT 9, 'nine;'", "")).status).toBe(200);
  expect(await sql(`SELECT a, b FROM ${name} ORDER BY a FORMAT JSONCompactEachRow`)).toBe(
    '[1, "x"]\n[2, ""]\n[3, "two;lines"]\n[4, "é\\n"]\n[5, "\\r\\nfive"]\n[6, "six"]\n[7, ""]\n[8, ""]\n[9, "nine;"]\n',
  );
});

test("INSERT and its data may both come in the body", async () => {
  const name = await table("a UInt32, `größe` String");
  await sql(`INSERT INTO ${name} (a, \`größe\`) FORMAT TabSeparated\n1\tä;\n2\tFORMAT\n`);
  expect(await sql(`SELECT * FROM ${name} ORDER BY a`)).toBe("1\tä;\n2\tFORMAT\n");
});

test("an INSERT without data is fine, and one into nowhere is not", async () => {
  const name = await table("a UInt32");
  for (const format of ["JSONEachRow", "Native", "RowBinary"]) {
    const answer = await ask({ query: { query: `INSERT INTO ${name} FORMAT ${format}` } });
    expect([answer.status, JSON.parse(answer.header("x-clickhouse-summary") ?? "").written_rows]).toEqual([200, "0"]);
  }
  expect((await ask({ query: { query: "INSERT INTO nowhere FORMAT Native" } })).header("x-clickhouse-exception-code")).toBe("60");
});

test("data that cannot be parsed inserts nothing, and the error does not tell of files of ours", async () => {
  const name = await table("a UInt32");
  const answer = await ask({ query: { query: `INSERT INTO ${name} FORMAT JSONEachRow` }, body: '{"a":1}\n{"a":"x"}\n' });
  expect([answer.status, answer.header("x-clickhouse-exception-code")]).toEqual([400, "27"]);
  expect(answer.text).not.toMatch(/shm|spool|headrace/);
  const truncated = await ask({
    query: { query: `INSERT INTO ${name} FORMAT RowBinary` },
    body: new Uint8Array([1, 0, 0, 0, 2]),
  });
  expect(truncated.header("x-clickhouse-exception-code")).toBe("33");
  expect(await sql(`SELECT count() FROM ${name}`)).toBe("0\n");
});

test("GET changes nothing", async () => {
  const answer = await ask({ method: "GET", query: { query: "CREATE TABLE nothing (a UInt8) ENGINE = Memory" } });
  expect(answer.header("x-clickhouse-exception-code")).toBe("164");
});

test("gzip goes both ways", async () => {
  const name = await table("a UInt32");
  const body = gzipSync('{"a":1}\n'.repeat(1_000));
  await ask({ query: { query: `INSERT INTO ${name} FORMAT JSONEachRow` }, body, headers: { "Content-Encoding": "gzip" } });
  expect(await sql(`SELECT count() FROM ${name}`)).toBe("1000\n");
  // The first is streamed, the second is made in one piece.
  for (const query of ["SELECT number FROM numbers(100000)", "SELECT number FROM numbers(100000) FORMAT Values"]) {
    const answer = await fetchAs(`${server.url}/?enable_http_compression=1`, {
      method: "POST",
      body: query,
      headers: { "Accept-Encoding": "gzip" },
    });
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect(await answer.text()).toBe(await sql(query));
  }
  const plain = await ask({ body: "SELECT 1", headers: { "Accept-Encoding": "gzip" } });
  expect(plain.header("content-encoding")).toBeNull();
  const truncated = await ask({
    query: { query: `INSERT INTO ${name} FORMAT JSONEachRow` },
    body: body.subarray(0, body.length - 12),
    headers: { "Content-Encoding": "gzip" },
  });
  expect(truncated.status).toBeGreaterThanOrEqual(400);
  expect(await sql(`SELECT count() FROM ${name}`)).toBe("1000\n");
});

test("a body that breaks off inserts nothing", async () => {
  const name = await table("a UInt32");
  const { port } = new URL(server.url);
  const head = `POST /?query=${encodeURIComponent(`INSERT INTO ${name} FORMAT JSONEachRow`)} HTTP/1.1\r\nHost: localhost\r\nX-ClickHouse-Key: ${server.password}\r\n`;
  const broken = [`${head}Content-Length: 1000\r\n\r\n{"a":1}\n`, `${head}Transfer-Encoding: chunked\r\n\r\n8\r\n{"a":1}\n\r\n`];
  for (const text of broken) {
    const socket = connect(Number(port), "127.0.0.1");
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
    await sql("SELECT 1");
    socket.destroy();
  }
  // The second statement comes behind whatever the first ones would have done.
  await sql(`INSERT INTO ${name} VALUES (2)`);
  expect(await sql(`SELECT a FROM ${name}`)).toBe("2\n");
});

test("four slow statements do not hold an INSERT or another SELECT up", async () => {
  const name = await table("a UInt32");
  const slow = Array.from({ length: 4 }, () =>
    ask({
      // They hold their places and leave the processor to others.
      body: "SELECT count() FROM numbers(1000) WHERE sleepEachRow(0.1) = 0",
      query: { max_execution_time: "3", max_block_size: "1" },
    }),
  );
  let slowEnded = 0;
  for (const one of slow) void one.then(() => (slowEnded += 1));
  await Promise.all(
    Array.from({ length: 8 }, (_, i) => ask({ query: { query: `INSERT INTO ${name} FORMAT JSONEachRow` }, body: `{"a":${i}}` })),
  );
  expect(await sql(`SELECT count() FROM ${name}`)).toBe("8\n");
  expect(slowEnded).toBe(0);
  for (const answer of await Promise.all(slow)) expect(answer.header("x-clickhouse-exception-code")).toBe("159");
});

test("sessions and block compression are refused with a reason", async () => {
  expect(await sql("SELECT 1", { session_id: "s" })).toMatch(/^Code: 48\..*session_id is not supported/);
  expect(await sql("SELECT 1", { decompress: "1" })).toMatch(/^Code: 48\..*decompress=1 is not supported/);
});

test("a result with header lines has them once, however many blocks it is made of", async () => {
  const rows = (text: string) => text.split("\n");
  for (const [format, lines] of [
    ["TabSeparatedWithNamesAndTypes", 2],
    ["JSONCompactEachRowWithNames", 1],
    ["CSVWithNames", 1],
  ] as const) {
    const text = await sql(`SELECT number FROM numbers(300000) FORMAT ${format}`);
    expect(rows(text).length).toBe(300_000 + lines + 1);
  }
});

test("a result of millions of rows is streamed: neither side needs it whole", async () => {
  const { count, size } = isLong ? { count: 10_000_000, size: 357_777_780 } : { count: 4_000_000, size: 141_777_780 };
  const rss = () => Number(execFileSync("ps", ["-o", "rss=", "-p", String(server.pid)], { encoding: "utf8" })) / 1_024;
  /** Reads a result of so many rows: its bytes, and the most memory that the engine had meanwhile, in MiB. */
  const read = async (rows: number) => {
    const answer = await fetchAs(server.url, {
      method: "POST",
      body: `SELECT number, toString(number) AS text FROM numbers(${rows}) FORMAT JSONEachRow`,
    });
    let bytes = 0;
    let most = 0;
    let checked = 0;
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += piece.length;
      if (bytes < checked + 5_000_000) continue;
      checked = bytes;
      most = Math.max(most, rss());
    }
    return { bytes, most };
  };
  // The engine keeps the buffers of its first results; from some size on they grow no more.
  const half = await read(count / 2);
  const whole = await read(count);
  expect(whole.bytes).toBe(size);
  // Kept whole, the second half of the result alone would be twice this.
  expect(whole.most - half.most).toBeLessThan(size / 1_048_576 / 4);
});

test("an error in mid-stream is told, and the answer is visibly incomplete", async () => {
  const answer = await fetchAs(server.url, { method: "POST", body: "SELECT throwIf(number = 900000) FROM numbers(1000000)" });
  expect(answer.status).toBe(200);
  await expect(answer.text()).rejects.toThrow();
});

test("a client that leaves in mid-stream frees its place", async () => {
  for (let i = 0; i < 12; i += 1) {
    const leave = new AbortController();
    const answer = await fetchAs(server.url, { method: "POST", body: "SELECT number FROM system.numbers", signal: leave.signal });
    const reader = answer.body?.getReader();
    await reader?.read();
    leave.abort();
    await reader?.closed.catch(() => {});
  }
  expect(await sql("SELECT 1")).toBe("1\n");
});
