import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runApart } from "../support/headrace.ts";
import { type Operator, openOperator } from "../support/operator.ts";

/** Tests run these verbs in a process that runs many. Those that are missing here are started by tests as people start them. */
const verbs: readonly (readonly string[])[] = [
  ["migrate", "--json"],
  ["check", "--json"],
  ["graph", "--format", "json"],
  ["audit", "--json"],
  ["lag", "--json"],
  ["doctor", "--json"],
  ["ps"],
  ["dlq", "ls"],
  ["dlq", "show", "nothing"],
  ["dlq", "stats"],
  ["dlq", "discard"],
  ["replay", "--pipeline", "login-analytics", "--from", "0", "--json"],
  ["rollup", "--json"],
  ["archive", "ls", "--json"],
  ["archive", "run", "login_events", "tomorrow"],
  ["archive", "restore", "login_events", "2026-01-01"],
  ["state", "get", "carts", "nobody", "--json"],
  ["reconcile", "--json"],
];

let operator: Operator;
let directory: string;

beforeAll(async () => {
  operator = await openOperator();
  directory = await mkdtemp(join(tmpdir(), "headrace-binary-"));
  await operator.run(["migrate", "--apply"]);
  await operator.run(["send", "logins"], { input: '{"type":"login.failed","data":{"userId":"u","ip":"203.0.113.1"}}' });
}, 120_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("bin/headrace.js, as a person runs it", () => {
  it.for(verbs)("says of %j what it says in tests", async (args) => {
    const [apart, here] = await Promise.all([runApart(args, { env: operator.env }), operator.tryRun(args)]);
    expect(withoutNumbers(apart)).toEqual(withoutNumbers(here));
  });

  it("says which version it is", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await runApart(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("bundles the workflows, and refuses what it does not know", async () => {
    const out = join(directory, "workflows.js");
    expect(await runApart(["bundle", "--out", out])).toMatchObject({ code: 0, stderr: expect.stringContaining(out) });
    expect(await runApart(["sing"])).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("'sing'") });
  }, 60_000);
});

/** Times, sizes and ages differ. */
const withoutNumbers = ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
  code,
  stdout: stdout.replace(/\d+/g, "N"),
  stderr: stderr.replace(/\d+/g, "N"),
});
