import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it, vi } from "vitest";
import { isAlive } from "../../src/stack/process-check.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const env = { ...process.env, HEADRACE_PAYLOAD_KEYS: `k1:${randomBytes(32).toString("base64")}` };
const verb = ["codec-server", "--port", "0", "--json"];
const left: number[] = [];

afterEach(() => {
  for (const pid of left.splice(0)) if (isAlive(pid)) process.kill(pid, "SIGKILL");
});

/** Starts a program that starts a verb that stays, and answers both processes once the verb is ready. */
async function launch(command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const launcher = spawn(command, args, { cwd: root, env: { ...env, ...more }, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(launcher.stdout), "line")) as [string];
  const { pid } = JSON.parse(line) as { pid: number };
  left.push(pid);
  return { launcher, pid };
}

it("a verb that stays ends with the npx that started it, which passes no SIGTERM on", async () => {
  const { launcher, pid } = await launch("npx", ["headrace", ...verb]);
  expect(pid).not.toBe(launcher.pid);
  launcher.kill("SIGTERM");
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 20_000, interval: 50 });
}, 120_000);

it("a verb that stays ends in order where its terminal closes: the shell sends a SIGHUP, and the system another one", async () => {
  const { launcher } = await launch(process.execPath, ["bin/headrace.js", ...verb]);
  const ended = once(launcher, "exit");
  launcher.kill("SIGHUP");
  launcher.kill("SIGHUP");
  expect(await ended).toEqual([0, null]);
}, 60_000);
