import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../core/errors.ts";
import { portOf } from "../core/port-of.ts";
import { type StackPorts, standardPorts } from "./settings.ts";
import { readState, writeState } from "./state-file.ts";

const titles: Readonly<Record<keyof StackPorts, string>> = {
  redis: "Redis",
  clickhouse: "ClickHouse",
  temporal: "Temporal",
  temporalUi: "Temporal's UI",
};
const port = z.int().min(1).max(65_535);
const portsFile = z.object({ redis: port, clickhouse: port, temporal: port, temporalUi: port });

/**
 * The ports of a stack. `standard`: the well-known ones, ConfigError `stack.port` when one is taken. `free`: those
 * that the stack had last time on this directory, each replaced by a free one where it is taken by now.
 */
export async function choosePorts(kind: "free" | "standard", dir: string): Promise<StackPorts> {
  const wanted = kind === "standard" ? standardPorts : readState(join(dir, "ports.json"), portsFile);
  const held: Server[] = [];
  try {
    const chosen: Partial<Record<keyof StackPorts, number>> = {};
    // All are held until all are chosen, so that no two get the same one.
    for (const service of Object.keys(standardPorts) as (keyof StackPorts)[]) {
      let server = wanted === undefined ? undefined : await listen(wanted[service]);
      if (server === undefined && kind === "standard") throw portTaken(service);
      server ??= await listenAnywhere();
      if (server === undefined)
        throw new ConfigError("stack.port", "this machine has no free port", { hint: "Close programs that hold ports." });
      held.push(server);
      chosen[service] = portOf(server);
    }
    const ports = chosen as StackPorts;
    if (kind === "free") writeState(join(dir, "ports.json"), ports);
    return ports;
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/**
 * Below the range that systems give to outgoing connections, and to Temporal's own inner ports: one of those could
 * take the port between now and the service's start, or while the service is being started again.
 */
const [firstFreePort, freePorts] = [20_000, 12_000];

async function listenAnywhere(): Promise<Server | undefined> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const server = await listen(firstFreePort + randomInt(freePorts));
    if (server !== undefined) return server;
  }
  return await listen(0);
}

function listen(wanted: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ host: "127.0.0.1", port: wanted }, () => resolve(server));
  });
}

function portTaken(service: keyof StackPorts): ConfigError {
  return new ConfigError("stack.port", `port ${standardPorts[service]}, the standard one of ${titles[service]}, is taken`, {
    hint: "Stop the program that listens there, or use --ports free.",
  });
}
