import { fileURLToPath } from "node:url";
import { app } from "../../../pipelines/index.ts";
import { partitionsOf } from "../../../src/bus/partition.ts";
import type { RigApp } from "../rig.ts";

/** The reference application, as it is: its carts, its sagas and the participants of them. */
export const shopApp: RigApp = {
  directory: fileURLToPath(new URL("../../..", import.meta.url)),
  lanes: app.plan.pipelines
    .filter(({ name }) => name === "carts" || name === "orders")
    .flatMap(({ name, sources }) => sources.flatMap(partitionsOf).map(({ log, prefix }) => ({ log, prefix, group: name }))),
};
