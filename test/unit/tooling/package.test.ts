import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PackedProject, packedProject } from "../../support/packed-project.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));

let installed: PackedProject;
let project: string;
beforeAll(async () => {
  installed = await packedProject(["@types", "zod"]);
  project = installed.path;
}, 120_000);
afterAll(() => installed.remove());

const doors = [
  ...["headrace", "headrace/saga", "headrace/participant", "headrace/host", "headrace/archive", "headrace/archive/workflows"],
  "headrace/testing",
];
/** This one has types alone. */
const planDoor = "headrace/plan";

/** Compiles `main.ts` of the project by the package's own compiler, as one that resolves packages in one way or another does. */
function compile(text: string, options: Readonly<Record<string, string>>): string {
  writeFileSync(join(project, "main.ts"), text);
  const tsc = join(repository, "node_modules/typescript/bin/tsc6");
  const flags = Object.entries({ target: "es2022", types: "node", outDir: "out", ...options }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ]);
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, ...flags, "--strict", "--skipLibCheck", "main.ts"], {
    cwd: project,
    encoding: "utf8",
  });
  return stdout + stderr;
}

describe("the packed package", { timeout: 120_000 }, () => {
  test("is loaded by require, through each of its doors, and is what import gets", () => {
    const script = `Promise.all(${JSON.stringify(doors)}.map(async (door) => Object.keys(await import(door)).every((name) => require(door)[name] !== undefined))).then((all) => console.log(all.join()))`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--no-warnings", "-e", script], { cwd: project, encoding: "utf8" });
    expect({ stdout, stderr }).toEqual({ stdout: `${doors.map(() => true).join()}\n`, stderr: "" });
  });

  test("has types and code for a project that is compiled to CommonJS", () => {
    const lines = doors.map((door, i) => `import * as door${i} from "${door}";\nconsole.log(Object.keys(door${i}).length > 1);`);
    const named = `import type { AppPlan } from "${planDoor}";\nexport const names = ({ pipelines }: AppPlan): string[] => pipelines.map(({ name }) => name);`;
    const node10 = { module: "commonjs", moduleResolution: "node10", ignoreDeprecations: "6.0" };
    expect(compile([...lines, named].join("\n"), node10)).toBe("");
    const ran = spawnSync(process.execPath, ["--no-warnings", "out/main.js"], { cwd: project, encoding: "utf8" });
    expect({ stdout: ran.stdout, stderr: ran.stderr }).toEqual({ stdout: "true\n".repeat(doors.length), stderr: "" });
  });

  test("makes nothing that a project with declarations of its own cannot name", () => {
    const text = `
      import { aggregates, c, clickhouse, collect, defineAggregate, defineApp, defineEvent, defineFormat, defineRollup, defineSchedule } from "headrace";
      import { defineStream, defineTable, defineView, openProducer, pipeline, rollups, session, startWorkflow, toStream, tumbling } from "headrace";
      import { createSagaWorker, createWorker } from "headrace/host";
      import { defineParticipant, verb } from "headrace/participant";
      import { saga } from "headrace/saga";
      import { testFold, testPipeline } from "headrace/testing";
      import { z } from "zod";
      export const read = defineEvent("meter.read", z.object({ meter: z.string(), kwh: z.number() }), { key: ({ meter }) => meter });
      export const readings = defineStream("readings", { events: [read] });
      export const columns = { event_id: c.uuid(), at: c.dateTime(), kwh: c.float64().nullable(), tags: c.array(c.string()), name: c.string().lowCardinality() };
      export const table = defineTable("readings", { columns, orderBy: ["at", "event_id"] });
      export const kept = defineAggregate("kept", { from: table, groupBy: ["event_id"], columns: { at: aggregates.max("at") } });
      export const hours = defineRollup("hours", { from: table, time: "at", every: "hour", columns: { n: rollups.count() } });
      export const view = defineView("plain", "SELECT 1");
      export const format = defineFormat("csv", () => () => ({ kind: "ignored", reason: "" }));
      export async function sweep(input: { readonly meter: string }): Promise<void> {}
      export const schedule = defineSchedule("sweep", sweep, { taskQueue: "q", everyMs: 1000, input: { meter: "m" } });
      export const start = startWorkflow(sweep, { taskQueue: "q", workflowId: ({ meter }) => meter });
      export const sinks = { table: clickhouse(table), stream: toStream(readings) };
      export const begun = pipeline("begun");
      export const from = begun.from(readings, { idleMs: 1 });
      export const keyed = from.keyBy(({ key }) => key);
      export const windowed = keyed.window(tumbling({ sizeMs: 1000 }));
      export const results = windowed.aggregate({ all: collect(3, ({ data }) => data.kwh) });
      export const sessions = keyed.window(session({ gapMs: 1 }));
      export const done = from.to(sinks.table, ({ id, time }) => ({ event_id: id, at: time, tags: [], name: "" }));
      export const app = defineApp({ pipelines: [done] });
      export const producer = openProducer(readings, { redisUrl: "redis://127.0.0.1:1" });
      export const worker = () => createWorker({ app, redis: "redis://127.0.0.1:1" });
      export const sagas = () => createSagaWorker({ app, redis: "redis://127.0.0.1:1" });
      export const stock = defineParticipant("stock", { reserve: verb(z.object({ key: z.string() }), async () => 1) });
      export const open = saga<{ n: number }, { pay(): Promise<number> }>("pay").step("one", { do: ({ call }) => call.pay(), undo: async () => {} });
      export const committed = open.pivot("two", { do: ({ call }) => call.pay(), undo: async () => {} });
      export const pay = committed.returns(({ done }) => done.two);
      export const test = testPipeline(done);
      export const folded = testFold({ initial: 0, decide: (n: number, by: number) => [by], evolve: (n, by: number) => n + by });
      export const run = test.run();
    `;
    const nodenext = { module: "nodenext", moduleResolution: "nodenext", declaration: "true" };
    expect(compile(text, nodenext)).toBe("");
    expect(readFileSync(join(project, "out/main.d.ts"), "utf8")).not.toContain("any");
  });
});
