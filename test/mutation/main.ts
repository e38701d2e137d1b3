/** `npm run mutate`: breaks the source in small ways, one at a time, and looks whether a test fails. See docs/testing.md. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { staleOnes } from "./mutant.ts";
import { mutants } from "./mutants/index.ts";
import { type Outcome, RedBaseline, runMutants } from "./run.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    lanes: { type: "string", default: "2" },
    list: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const say = (text: string) => void process.stderr.write(`${text}\n`);

if (values.list) {
  const stale = await staleOnes(mutants, root);
  for (const { name, file, breaks } of mutants)
    process.stdout.write(`${name} (${file})\n    ${breaks}\n${stale.has(name) ? `    STALE: ${stale.get(name)}\n` : ""}`);
  process.exit(stale.size > 0 ? 1 : 0);
}
const names = values.only?.split(",").map((name) => name.trim());
const unknown = names?.find((name) => !mutants.some((mutant) => mutant.name === name || mutant.file === name));
const lanes = Number(values.lanes);
if (unknown !== undefined || !(Number.isInteger(lanes) && lanes > 0)) {
  say(
    unknown === undefined
      ? "error: --lanes is a whole number from 1"
      : `error: there is no mutant '${unknown}', and none of a file of that name; --list names them`,
  );
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const wanted = mutants.filter(({ name, file }) => names === undefined || names.includes(name) || names.includes(file));
say(`${wanted.length} mutants; first what they name is run without any of them`);
try {
  const outcomes = await runMutants(wanted, {
    root,
    lanes,
    tell: ({ name, breaks }, outcome, seconds) => {
      say(`${outcome.kind.padEnd(8)}  ${name} (${seconds.toFixed(0)} s)${told(outcome, breaks)}`);
      if (values.json) process.stdout.write(`${JSON.stringify({ name, ...outcome, seconds: Math.round(seconds) })}\n`);
    },
  });
  const of = (kind: Outcome["kind"]) => [...outcomes].filter(([, outcome]) => outcome.kind === kind).map(([name]) => name);
  const [killed, survived, stale] = [of("killed"), of("survived"), of("stale")];
  say(`${killed.length} killed, ${survived.length} survived, ${stale.length} stale`);
  process.exitCode = survived.length + stale.length > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof RedBaseline)) throw error;
  say(`a test fails without any mutant: ${error.message}`);
  process.exitCode = 1;
}

function told(outcome: Outcome, breaks: string): string {
  if (outcome.kind === "killed") return `\n          by ${outcome.by}`;
  return `\n          ${outcome.kind === "survived" ? `no test saw that ${breaks}` : outcome.reason}`;
}
