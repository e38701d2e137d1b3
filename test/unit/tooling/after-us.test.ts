import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { isAlive } from "../../../src/stack/process-check.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "headrace-after-us-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each(["SIGKILL", "SIGTERM"] as const)("what a test has started does not outlive it, whatever ends it (%s)", async (signal) => {
  const mark = join(folder, signal);
  const parent = spawn(process.execPath, ["scripts/run.mjs", "test/support/strays-main.ts", mark], { cwd: root });
  const pid = Number(await new Promise<string>((resolve) => createInterface(parent.stdout).once("line", resolve)));
  expect(isAlive(pid)).toBe(true);
  parent.kill(signal);
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000, interval: 20 });
  await vi.waitFor(async () => expect(await readFile(mark, "utf8")).toBe("called\n"), { timeout: 10_000, interval: 20 });
  expect(existsSync(`${mark}.off`)).toBe(false);
});
