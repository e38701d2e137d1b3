import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { endWithUs } from "./after-us.ts";
import { freePort } from "./free-port.ts";

const version = "5.2.5";

/** A server on this machine that speaks S3 (`moto` of PyPI, got once), with one bucket. */
export async function startS3(bucket: string): Promise<{ readonly endpoint: string; readonly stop: () => Promise<void> }> {
  const folder = join(process.env.HEADRACE_CACHE_DIR ?? join(homedir(), ".cache", "headrace"), "test", `moto-${version}`);
  const env = { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" };
  if (!existsSync(join(folder, "moto", "server.py"))) {
    await mkdir(folder, { recursive: true });
    const wanted = `moto[server]==${version}`;
    await promisify(execFile)("python3", ["-m", "pip", "install", "--quiet", "--target", folder, wanted], { timeout: 240_000 });
  }
  const port = await freePort();
  const args = ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)];
  const server = endWithUs(spawn("python3", args, { env, stdio: "ignore" }));
  const exit = once(server, "exit");
  const endpoint = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch(`${endpoint}/${bucket}`, { method: "PUT" }).catch(() => undefined);
    if (answer?.ok) break;
    if (attempt > 150 || server.exitCode !== null) throw new Error("the S3 server does not answer");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    endpoint,
    stop: async () => {
      server.kill("SIGTERM");
      await exit;
    },
  };
}
