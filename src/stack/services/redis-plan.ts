import { join } from "node:path";
import { createClient } from "redis";
import type { StackPassword } from "../password.ts";
import type { ServicePlan } from "../service.ts";
import { type AppendFsync, redisSettings } from "../settings.ts";

export interface RedisPlanOptions {
  readonly binary: string;
  readonly dir: string;
  readonly port: number;
  readonly appendFsync: AppendFsync;
  /** Without one every program on the machine may ask: for tests. */
  readonly password?: StackPassword;
}

/** Redis on the loopback, its append-only file in `<dir>/redis`. */
export function redisPlan(options: RedisPlanOptions): ServicePlan {
  const { password } = options;
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
    args: [
      ...(password ? [password.redisConfig] : []),
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    logFile: join(options.dir, "logs", "redis.log"),
    port: options.port,
    check: () => pingRedis(options.port, password?.value),
  };
}

async function pingRedis(port: number, password: string | undefined): Promise<void> {
  const client = createClient({
    ...(password && { password }),
    socket: { host: "127.0.0.1", port, reconnectStrategy: false, connectTimeout: 2_000 },
  });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.destroy();
  }
}
