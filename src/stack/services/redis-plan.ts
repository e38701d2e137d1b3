import { join } from "node:path";
import { createClient } from "redis";
import type { ServicePlan } from "../service.ts";
import { type AppendFsync, redisSettings } from "../settings.ts";

/** Redis on the loopback, its append-only file in `<dir>/redis`. */
export function redisPlan(options: { binary: string; dir: string; port: number; appendFsync: AppendFsync }): ServicePlan {
  const settings = {
    bind: "127.0.0.1",
    port: String(options.port),
    dir: join(options.dir, "redis"),
    // The command line has to go on naming the directory: by it, processes that were left behind are recognized.
    "set-proc-title": "no",
    ...redisSettings(options.appendFsync),
  };
  return {
    name: "redis",
    title: "Redis",
    command: options.binary,
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    logFile: join(options.dir, "logs", "redis.log"),
    port: options.port,
    check: () => pingRedis(options.port),
  };
}

async function pingRedis(port: number): Promise<void> {
  const client = createClient({ socket: { host: "127.0.0.1", port, reconnectStrategy: false, connectTimeout: 2_000 } });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.destroy();
  }
}
