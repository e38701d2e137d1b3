import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Check } from "./mutant.ts";

/** What tests say of a tree. */
export type Verdict =
  | { readonly kind: "green" }
  /** What failed first. */
  | { readonly kind: "red"; readonly by: string }
  /** No test has failed, and none has passed: the mutant does not even load, or the check names no test. */
  | { readonly kind: "void"; readonly reason: string };

/** The part of vitest's report that is read. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** A mutant may make a test wait for ever. */
const limitMs = 600_000;
/** A program that is none says nothing about its tests. */
const doesNotLoad = /Error compiling script|Transform failed|SyntaxError|PARSE_ERROR/;

/** Runs tests in the tree. */
export async function runCheck(tree: string, check: Check): Promise<Verdict> {
  return check.kind === "tests" ? runTests(tree, check) : runFault(tree, check.fault);
}

async function runTests(tree: string, { files, names }: Extract<Check, { kind: "tests" }>): Promise<Verdict> {
  const report = join(tree, ".mutation-report.json");
  await rm(report, { force: true });
  const filter = names === undefined ? [] : ["-t", names];
  const args = ["run", "--reporter=json", `--outputFile=${report}`, "--bail=1", ...filter, ...files];
  const { said, isOver } = await run(tree, ["node_modules/vitest/vitest.mjs", ...args]);
  if (!isOver) return { kind: "red", by: `it did not come to an end in ${limitMs / 60_000} min` };
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) return { kind: "void", reason: `vitest made no report: ${said.slice(-400)}` };
  return read(JSON.parse(text) as Report);
}

function read({ testResults }: Report): Verdict {
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const [failed] = all.filter(({ status }) => status === "failed");
  const messages = [...testResults.map(({ message }) => message ?? ""), ...(failed?.failureMessages ?? [])];
  const unfit = messages.find((message) => doesNotLoad.test(message));
  if (unfit !== undefined) return { kind: "void", reason: `it does not load: ${firstLine(unfit)}` };
  if (failed) return { kind: "red", by: failed.fullName };
  if (all.some(({ status }) => status === "passed")) return { kind: "green" };
  return { kind: "void", reason: `no test ran ${firstLine(messages.join("\n").trim())}`.trim() };
}

async function runFault(tree: string, fault: string): Promise<Verdict> {
  // The workers are processes of the built program.
  const built = await run(tree, ["scripts/build.mjs"]);
  if (built.code !== 0) return { kind: "void", reason: `it does not compile: ${built.said.slice(-400)}` };
  const args = ["scripts/run.mjs", "test/chaos/main.ts", "--short", "--only", fault, "--json"];
  const { code, said, isOver } = await run(tree, args);
  if (code === 0) return { kind: "green" };
  if (!isOver) return { kind: "red", by: `it did not come to an end in ${limitMs / 60_000} min` };
  const line = said.split("\n").find((one) => one.startsWith(`{"name":"${fault}"`));
  if (line === undefined) return { kind: "void", reason: said.slice(-400) };
  const { faults } = JSON.parse(line) as { readonly faults: readonly string[] };
  return { kind: "red", by: `${fault}: ${faults[0]}` };
}

/** Runs a program of Node's in the tree, in a group of its own, so that all that it has started ends with it. */
async function run(tree: string, args: readonly string[]) {
  // The variables by which vitest and npm know their children are left out.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|NODE_OPTIONS$|npm_)/.test(name));
  const env = { ...Object.fromEntries(inherited), NO_COLOR: "1" };
  const child = spawn(process.execPath, args, { cwd: tree, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (piece: string) => {
      said += piece;
    });
  const end = (signal: NodeJS.Signals) => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, signal);
  };
  const kill = () => end("SIGKILL");
  // Before the copy of the tree is removed.
  process.prependOnceListener("exit", kill);
  const closed = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const timer = new AbortController();
  const late = sleep(limitMs, "late" as const, { signal: timer.signal }).catch(() => "late" as const);
  const outcome = await Promise.race([closed, late]);
  timer.abort();
  if (outcome === "late") kill();
  const code = await closed;
  process.removeListener("exit", kill);
  return { code, said, isOver: outcome !== "late" };
}

const firstLine = (text: string): string => text.split("\n").slice(0, 2).join(" ").slice(0, 300);
