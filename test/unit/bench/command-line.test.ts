import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tryHeadrace } from "../../support/headrace.ts";
import { run } from "../../support/mini-repository.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("bench --help lists the options and starts nothing", async () => {
  const { code, stdout } = await tryHeadrace(["bench", "--help"]);
  expect(code).toBe(0);
  for (const option of ["--only", "--runs", "--events", "--json"]) expect(stdout).toContain(option);
});

test("a measurement that there is not is refused with the names of those that there are", async () => {
  const { code, stdout, stderr } = await tryHeadrace(["bench", "--only", "plain,kafka", "--json"]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain("there is no measurement 'kafka'");
  for (const name of ["frames", "redpanda-connect", "faststream", "bullmq", "workers-2", "partitions-64", "latency"]) {
    expect(stderr).toContain(name);
  }
});

test("a number of runs that is none is refused", async () => {
  const { code, stderr } = await tryHeadrace(["bench", "--only", "plain", "--runs", "0"]);
  expect(code).toBe(2);
  expect(stderr).toContain("--runs cannot be '0'");
});

test("the installer refuses a name that is no peer's, and says what has to be brought", async () => {
  const folder = await mkdtemp(join(tmpdir(), "headrace-peers-"));
  const env = { PATH: process.env["PATH"] ?? "", HEADRACE_PEERS_DIR: folder, REDPANDA_CONNECT: join(folder, "nothing") };
  const install = (name: string) => run(process.execPath, ["bench/peers/install.mjs", name], { cwd: root, env });
  try {
    const unknown = await install("kafka");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("There is no peer 'kafka'; there are redpanda-connect, bento, faststream, bullmq, bytewax.");
    const brought = await install("redpanda-connect");
    expect(brought.code).toBe(1);
    expect(brought.stderr).toContain("redpanda-connect has to be brought");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
