import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const scratch = `${root}node_modules/.cache/headrace-type-cost`;

const start = `
  import { c, clickhouse, defineEvent, defineStream, defineTable, pipeline } from "headrace";
  import { z } from "zod";
  const read = defineEvent("meter.read", z.object({ meter: z.string(), kwh: z.number() }), { key: ({ meter }) => meter });
  const table = defineTable("readings", { columns: { event_id: c.uuid(), kwh: c.float64() }, orderBy: ["event_id"] });
  export const readings = pipeline("readings").from(defineStream("readings", { events: [read] }))`;
const end = ".to(clickhouse(table), (event) => ({ event_id: event.id, kwh: event.data.kwh }));";
const stage = (n: number): string =>
  n % 2 === 1
    ? `.map("scale-${n}", (event) => ({ ...event, data: { ...event.data, kwh: event.data.kwh * ${n} } }))`
    : `.filter("keep-${n}", ({ data }) => data.kwh > ${n})`;
const pipelineOf = (stages: number): string => [start, ...Array.from({ length: stages }, (_, i) => stage(i + 1)), end].join("\n");

/** How often TypeScript has to fill in a generic type to check a file: the same on every machine, where it works in one thread. */
async function instantiationsOf(name: string, code: string): Promise<number> {
  const folder = `${scratch}/${name}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/main.ts`, code);
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ extends: "../../../../tsconfig.json", include: ["main.ts"] }));
  const tsc = `${root}node_modules/@typescript/native/bin/tsc`;
  const args = [tsc, "-p", folder, "--singleThreaded", "--extendedDiagnostics"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
  return Number(/^Instantiations: +(\d+)$/m.exec(stdout)?.[1]);
}

describe("what the types cost, in instantiations", { timeout: 120_000 }, () => {
  let [door, none, one, hundred] = [0, 0, 0, 0];
  beforeAll(async () => {
    rmSync(scratch, { recursive: true, force: true });
    door = await instantiationsOf("door", 'export * from "headrace";\n');
    none = await instantiationsOf("none", pipelineOf(0));
    one = await instantiationsOf("one", pipelineOf(1));
    hundred = await instantiationsOf("hundred", pipelineOf(100));
  }, 120_000);

  // A driver whose own types become ours costs hundreds of thousands: they were 806,247 with those of the Redis client.
  it("the front door, with all that stands behind it, stays below 36,000", () => {
    expect(door).toBeGreaterThan(0);
    expect(door).toBeLessThan(36_000);
  });

  it("a pipeline with no stage adds fewer than 2,500", () => {
    expect(none - door).toBeLessThan(2_500);
  });

  it("a stage adds fewer than 100", () => {
    expect(one - none).toBeLessThan(100);
  });

  it("each of a hundred stages costs as little as the first few: the types do not grow with the pipeline", () => {
    expect((hundred - one) / 99).toBeLessThan(50);
  });
});
