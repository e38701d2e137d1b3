/** `npm run chaos`: everything that can go wrong, and what came of it. See docs/chaos.md. */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { toLine, toTable, verdictOf } from "./report.ts";
import { drawSeed, faults, type Result, shortFaults, startSuite } from "./run.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string", default: drawSeed() },
    short: { type: "boolean", default: false },
    lanes: { type: "string", default: "4" },
    report: { type: "string" },
    keep: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});
const say = (text: string) => void process.stderr.write(`${text}\n`);

if (values.list) {
  for (const { name, does, expects } of faults) process.stdout.write(`${name}\n    ${does}\n    → ${expects}\n`);
  process.exit(0);
}
const names = values.only?.split(",").map((name) => name.trim());
const unknown = names?.find((name) => !faults.some((fault) => fault.name === name));
const lanes = Number(values.lanes);
if (unknown !== undefined || !(Number.isInteger(lanes) && lanes > 0)) {
  say(
    unknown === undefined
      ? "error: --lanes is a whole number from 1"
      : `error: there is no fault '${unknown}'; --list names them`,
  );
  process.exit(2);
}

const wanted = names ? faults.filter(({ name }) => names.includes(name)) : values.short ? shortFaults : faults;
const suite = await startSuite({ wanted, seed: values.seed, whole: !values.short, lanes, keep: values.keep });
say(`seed ${values.seed}; ${JSON.stringify(suite.versions)}`);
const lines: string[] = [
  JSON.stringify({ suite: values.short ? "short" : "whole", seed: values.seed, versions: suite.versions }),
];
const results: Result[] = [];
await Promise.all(
  wanted.map(async ({ name, does, expects }) => {
    const result = await (suite.results.get(name) as Promise<Result>);
    results.push(result);
    lines.push(JSON.stringify(toLine(result, { does, expects })));
    say(
      `${verdictOf(result)}  ${name} (${result.seconds.toFixed(0)} s)${[...result.faults, ...(result.untried ? [result.untried] : [])].map((fault) => `\n        ${fault}`).join("")}`,
    );
  }),
);
await suite.close();
if (values.keep) say(`The data and the logs are in ${suite.directory}`);
const table = toTable(
  wanted.map(({ name }) => results.find((result) => result.name === name) as Result),
  values.seed,
  suite.versions,
);
if (values.report !== undefined) await writeFile(values.report, `${lines.join("\n")}\n`);
process.stdout.write(`${values.json ? lines.join("\n") : table}\n`);
if (values.json) say(table);
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
