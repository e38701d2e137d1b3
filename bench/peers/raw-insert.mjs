// Inserts the blocks of a file over HTTP, so many in flight, with the settings of our sink. The file: see bench/raw-limits.ts.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";

const file = readFileSync(process.argv[2]);
const inFlight = Number(process.argv[3]);
const settings = "async_insert = 0, deduplicate_insert = 'disable', input_format_skip_unknown_fields = 0, optimize_on_insert = 0";
const url = new URL(process.env.CLICKHOUSE_URL);
url.searchParams.set("query", `INSERT INTO login_events SETTINGS ${settings} FORMAT Native`);
const agent = new Agent({ keepAlive: true });
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
process.on("SIGTERM", () => process.exit(0));

print({ ready: true });
let [rows, at] = [0, 0];
await Promise.all(Array.from({ length: inFlight }, insertOn));
// Whoever watches takes the time and stops us.
setInterval(() => {}, 60_000);

async function insertOn() {
  while (at < file.length) {
    const [begin, length, count] = [at + 8, file.readUInt32LE(at), file.readUInt32LE(at + 4)];
    at = begin + length;
    await insert(file.subarray(begin, begin + length));
    rows += count;
    print({ rows });
  }
}

function insert(block) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: "POST", agent, headers: { "Content-Length": block.length } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece) => {
        text += piece;
      });
      answer.on("error", reject);
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`insert failed (${answer.statusCode}): ${text}`)),
      );
    });
    call.on("error", reject);
    call.end(block);
  });
}
