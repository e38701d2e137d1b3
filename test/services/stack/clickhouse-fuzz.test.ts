import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRandom, type Random } from "../../demo/random.ts";
import { fetchAs } from "../../support/addresses.ts";
import { damagedBytes } from "../../support/damage.ts";
import { casesOf, seed } from "../../support/long-form.ts";
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from "./embedded-clickhouse.ts";

const runs = casesOf({ few: 400, many: 10_000 });

let server: EmbeddedClickHouse;
beforeAll(async () => {
  server = await startEmbeddedClickHouse();
}, 60_000);
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

const statements = [
  "SELECT 1",
  "SELECT number FROM numbers(9) FORMAT JSON",
  "INSERT INTO none FORMAT CSV\n1,2\n",
  "SELECT {a:String}",
  "SELECT '",
  ";",
  "",
];
const targets = [
  "/",
  "/?query=SELECT+1",
  "/?param_a=%",
  "/?query=%ff%00",
  "//",
  "http://",
  "*",
  "/?session_id=1",
  "/?database=none",
  "/?max_threads=x&:=1",
  "/?wait_end_of_query=1&enable_http_compression=1",
  "/?query_id=a%0d%0ab:c&default_format=%0a",
  "/ping",
  "/play",
];

/** A request in its bytes: whole, with parts that do not fit together, or damaged in some bytes. */
function drawRequest(random: Random): Buffer {
  const text = random.pick(statements);
  const encoding = random.pick(["identity", "gzip", "deflate", "br", "zstd", "\u00ff"]);
  const body = encoding === "gzip" && random.chance(0.7) ? gzipSync(text) : Buffer.from(text);
  const headers = [
    random.chance(0.9) ? `Host: ${random.pick(["127.0.0.1", "localhost", "[::1", "a b", ""])}` : "",
    random.chance(0.8)
      ? `Authorization: Basic ${Buffer.from(`default:${server.password}`).toString("base64")}`
      : "Authorization: Basic %%%",
    random.chance(0.5) ? `Content-Encoding: ${encoding}` : "",
    random.chance(0.2) ? `Content-Type: multipart/form-data${random.pick(["", "; boundary=x", "; boundary="])}` : "",
    random.chance(0.1) ? `X-ClickHouse-Format: ${random.pick(["Nope", "\u0001", "JSON"])}` : "",
    random.chance(0.1) ? `Accept-Encoding: gzip` : "",
    random.chance(0.1) ? `Expect: ${random.pick(["100-continue", "the worst"])}` : "",
    random.chance(0.1) ? `Upgrade: websocket\r\nConnection: Upgrade` : "",
    random.pick([
      `Content-Length: ${body.length}`,
      `Content-Length: ${body.length + random.int(1, 99)}`,
      `Content-Length: ${random.pick(["-1", "1e9", "0x1", "99999999999999999999"])}`,
      "Transfer-Encoding: chunked",
      "Transfer-Encoding: nonsense",
      "",
    ]),
  ].filter((header) => header !== "");
  const first = `${random.pick(["GET", "POST", "POST", "POST", "HEAD", "PUT", "CONNECT", "get", ""])} ${random.pick(targets)} HTTP/${random.pick(["1.1", "1.1", "1.1", "1.0", "9"])}`;
  const chunked = random.chance(0.5)
    ? Buffer.from(`${body.length.toString(16)}\r\n${body.toString("latin1")}\r\n0\r\n\r\n`, "latin1")
    : body;
  const whole = Buffer.concat([
    Buffer.from(`${[first, ...headers].join("\r\n")}\r\n\r\n`, "latin1"),
    headers.some((header) => header.includes("chunked")) ? chunked : body,
  ]);
  return random.chance(0.4) ? damagedBytes(whole, random) : whole;
}

/** Who waits for the rest of a request waits for as long as the client does: this one leaves. */
const patienceMs = 150;

/** The beginning of the answer; nothing where the socket is closed without one. Ends when the server has closed it. */
function answerTo(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(server.address).port), "127.0.0.1");
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
      socket.end();
    });
    // A reset is a closed socket too.
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.setTimeout(patienceMs, () => socket.end());
    socket.write(bytes);
  });
}

it(`answers ${runs} requests that are broken somewhere, or closes their sockets, and lives on (HEADRACE_SEED=${seed})`, async () => {
  const random = createRandom(seed);
  const left = Array.from({ length: runs }, () => drawRequest(random));
  const statuses = new Map<string, number>();
  const lane = async () => {
    for (let bytes = left.pop(); bytes !== undefined; bytes = left.pop()) {
      const answer = await answerTo(bytes);
      const status = answer === "" ? "closed" : /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
      expect(status, `to ${JSON.stringify(bytes.toString("latin1"))} (seed ${seed}) came ${answer.slice(0, 200)}`).toBeDefined();
      statuses.set(status as string, (statuses.get(status as string) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  // Whole ones are answered, so not all has ended at the first line; and the engine itself still works.
  for (const status of ["200", "400"])
    expect(statuses.get(status), `${status} of ${JSON.stringify([...statuses])}`).toBeGreaterThan(0);
  const alive = await fetchAs(`${server.url}/?query=SELECT+41%2B1`);
  expect([alive.status, await alive.text()]).toEqual([200, "42\n"]);
}, 3_600_000);

it("refuses a query_id that could not stand in the header of an answer", async () => {
  for (const id of ["a%0d%0ab:c", "%00", "%e2%82%ac"]) {
    const { status } = await fetchAs(`${server.url}/?query=SELECT+1&query_id=${id}`);
    expect([id, status]).toEqual([id, 400]);
  }
});
