import { fileURLToPath } from "node:url";
import { partitionsOf } from "../../../src/bus/partition.ts";
import type { RigApp } from "../rig.ts";
import { app } from "./pipelines/index.ts";

export const keyedApp: RigApp = {
  directory: fileURLToPath(new URL(".", import.meta.url)),
  lanes: app.plan.pipelines.flatMap(({ name, sources }) =>
    sources.flatMap(partitionsOf).map(({ log, prefix }) => ({ log, prefix, group: name })),
  ),
};
