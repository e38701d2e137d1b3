import type { Instance } from "../registry/port.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printTable, say } from "./output.ts";
import { openRegistry, type ServiceLocation } from "./services.ts";

/** `headrace ps`: the registry, one line a process. A process with several roles names them all, joined by commas. */
export async function psVerb({ json, ...where }: ServiceLocation & { readonly json: boolean }): Promise<number> {
  const registry = await openRegistry(where, createLogger());
  try {
    const live = await registry.live();
    if (json) for (const instance of live) printJson(toLine(instance));
    else if (live.length === 0) say("No process is running: start one with 'headrace start'.");
    else printTable(live.map(forPeople));
    return exitCodes.fine;
  } finally {
    await registry.close();
  }
}

function toLine({ instance, roles, host, pid, version, since, pipelines, cpu, rssBytes, state, addresses, door }: Instance) {
  const held = Object.entries(pipelines).map(([name, share]) => [name, share.held] as const);
  return {
    instance,
    role: roles.join(","),
    host,
    pid,
    version,
    since,
    // A partition that is held for two pipelines is there once; `pipelines` tells them apart.
    partitions: [...new Set(held.flatMap(([, partitions]) => partitions))].sort(),
    cpu,
    rssBytes,
    state,
    roles,
    pipelines: Object.fromEntries(held),
    addresses,
    ...(door !== undefined && { door }),
  };
}

function forPeople(process: Instance) {
  const { instance, role, host, pid, version, since, cpu, rssBytes, state, pipelines, door } = toLine(process);
  const leases = Object.entries(pipelines).map(([name, held]) => `${name} ${held.length}/${process.pipelines[name]?.partitions}`);
  return {
    instance,
    role,
    host,
    pid,
    version,
    since: since.replace(/\.\d+Z$/, "Z"),
    state: door === undefined || door === "open" ? state : `${state}, door ${door}`,
    "cpu %": Math.round(cpu * 100),
    "memory MB": Math.round(rssBytes / 1e6),
    "partitions held": leases.join(", "),
  };
}
