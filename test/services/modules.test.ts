import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findBundle } from "../../src/cli/start/workflow-bundle.ts";
import { tryHeadrace } from "../support/headrace.ts";

// In the repository, so that its packages are found.
const parent = fileURLToPath(new URL("../../.headrace", import.meta.url));
let folder: string;
let cwd: string;
const write = async (path: string, text: string) => {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), text);
};

beforeAll(async () => {
  await mkdir(parent, { recursive: true });
  folder = await mkdtemp(join(parent, "paths-"));
  cwd = join(folder, "shop");
  // As in a repository of several packages: what all of them share stands above, and is extended.
  await write("tsconfig.base.json", '{ "compilerOptions": { "paths": { "@common/*": ["./common/src/*"] } } }');
  await write("shop/tsconfig.json", '{\n  // said once for all\n  "extends": "../tsconfig.base.json",\n}\n');
  await write("common/src/words.ts", 'export const word: string = "hello-from-common";\n');
  const event = 'defineEvent("door.tapped", z.object({ door: z.string() }), { key: ({ door }) => door })';
  await write(
    "common/src/doors.ts",
    `import { defineEvent, defineStream } from "headrace";\nimport { z } from "zod";\nexport const doors = defineStream("doors", { events: [${event}] });\n`,
  );
  const table = 'defineTable("taps", { columns: { event_id: c.uuid(), door: c.string() }, orderBy: ["event_id"] })';
  await write(
    "shop/pipelines/index.ts",
    `import { c, clickhouse, defineApp, defineTable, pipeline } from "headrace";\nimport { doors } from "@common/doors.ts";\nexport const app = defineApp({ pipelines: [pipeline("taps").from(doors).to(clickhouse(${table}), (tap) => ({ event_id: tap.id, door: tap.data.door }))] });\n`,
  );
  await write(
    "shop/workflows/index.ts",
    'import { word } from "@common/words";\nexport const greet = async (): Promise<string> => word;\n',
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("pipelines find modules where tsconfig.json, or what it extends, says that they lie", async () => {
  const { code, stdout, stderr } = await tryHeadrace(["check"], { cwd, env: { REDIS_URL: "redis://127.0.0.1:1" } });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toContain("ok: 1 pipelines");
}, 60_000);

it("so do workflows, and a bundle is made anew where a file that it found so has changed", async () => {
  expect(await tryHeadrace(["bundle"], { cwd })).toMatchObject({ code: 0 });
  expect(await findBundle(cwd, undefined)).toContain("hello-from-common");
  await write("common/src/words.ts", 'export const word: string = "good-bye-from-common";\n');
  expect(await findBundle(cwd, undefined)).toContain("good-bye-from-common");
}, 60_000);

it("an import of a name that is not there is a finding, in whatever file, used or not", async () => {
  const index = join(cwd, "pipelines/index.ts");
  const sound = await readFile(index, "utf8");
  await write(
    "shop/pipelines/index.ts",
    `import { type Stream, nothingOfThatName } from "headrace";\nimport { doors as gates, type Door } from "@common/doors.ts";\n${sound}`,
  );
  await write("shop/workflows/index.ts", 'import {\n  // a saga\n  saga,\n  sagas,\n} from "headrace/saga";\n');
  const { code, stdout } = await tryHeadrace(["check", "--json"], { cwd });
  expect(code).toBe(1);
  const told = (where: string, name: string, from: string) => ({
    code: "import-missing",
    where,
    message: `imports ${name} from '${from}', which exports nothing of that name`,
    hint: expect.any(String),
  });
  expect(JSON.parse(stdout)).toEqual({
    ok: false,
    findings: [
      told("pipelines/index.ts", "nothingOfThatName", "headrace"),
      told("pipelines/index.ts", "Door", "@common/doors.ts"),
      told("workflows/index.ts", "sagas", "headrace/saga"),
    ],
  });
}, 60_000);
