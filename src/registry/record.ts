import { z } from "zod";
import type { Facts, Instance, Load } from "./port.ts";

const facts = z.looseObject({
  instance: z.string(),
  roles: z.array(z.string()),
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  since: z.string(),
  addresses: z.record(z.string(), z.string()),
  pipelines: z.record(z.string(), z.looseObject({ partitions: z.number(), held: z.array(z.string()) })),
  rollups: z.array(z.string()).optional(),
  door: z.string().optional(),
  state: z.enum(["running", "draining"]),
});

const load = z.object({ cpu: z.number(), rssBytes: z.number() });

/** An entry of the registry; `undefined` where it is none: one that nobody can read must not hide all the others. */
export function readInstance(factsJson: string, loadJson: string, leftMs: number): Instance | undefined {
  try {
    return {
      ...(facts.parse(JSON.parse(factsJson)) as Facts),
      ...(load.parse(JSON.parse(loadJson)) satisfies Load),
      leftMs,
    };
  } catch {
    return undefined;
  }
}
