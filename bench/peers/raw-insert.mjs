// Inserts the blocks of a file over HTTP, one in flight, with the settings of our sink. The file: see bench/raw-limits.ts.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";

const file = readFileSync(process.argv[2]);
const settings = "async_insert = 0, deduplicate_insert = 'disable', input_format_skip_unknown_fields = 0, optimize_on_insert = 0";
const url = new URL(process.env.CLICKHOUSE_URL);
url.searchParams.set("query", `INSERT INTO login_events SETTINGS ${settings} FORMAT Native`);
const agent = new Agent({ keepAlive: true });
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
process.on("SIGTERM", () => process.exit(0));

print({ ready: true });
let rows = 0;
for (let at = 0; at < file.length; ) {
  const length = file.readUInt32LE(at);
  await insert(file.subarray(at + 8, at + 8 + length));
  rows += file.readUInt32LE(at + 4);
  print({ rows });
  at += 8 + length;
}
// Whoever watches takes the time and stops us.
setInterval(() => {}, 60_000);

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
