import { rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type MiniRepository, miniRepository } from "../../support/mini-repository.ts";

const docOf = (example: string): string => `/**\n * A number.\n *\n * @example\n * \`\`\`ts\n * ${example}\n * \`\`\`\n */\n`;

const clean: Readonly<Record<string, string>> = {
  "README.md":
    "| `src/core` `src/plan` | what |\n| `src/participant` `src/saga` `src/host` `src/archive` `src/testing` `src/cli` | what |\n",
  "src/index.ts": 'export { add } from "./core/add.ts";\n',
  "src/core/add.ts": `${docOf("add(1, 2);")}export const add = (a: number, b: number): number => a + b;\n`,
  "src/plan/plan.ts": `import { add } from "../core/add.ts";\n\n${docOf("three + 1;")}export const three = add(1, 2);\n`,
  "src/plan/index.ts": 'export { three } from "./plan.ts";\n',
  "src/participant/index.ts": 'export { three } from "./three.ts";\n',
  "src/participant/three.ts": `${docOf("three + 1;")}export const three = 3;\n`,
  "src/saga/index.ts": 'export { three } from "./three.ts";\n',
  "src/saga/three.ts": `${docOf("three + 1;")}export const three = 3;\n`,
  "src/host/index.ts": 'export { three } from "../plan/plan.ts";\n',
  "src/archive/index.ts": 'export { three } from "../plan/plan.ts";\n',
  "src/archive/workflows/index.ts": 'export { three } from "./three.ts";\n',
  "src/archive/workflows/three.ts": `${docOf("three + 1;")}export const three = 3;\n`,
  "src/testing/index.ts": 'export { three } from "../plan/plan.ts";\n',
  "src/cli/main.ts": 'import { three } from "../plan/plan.ts";\n\nprocess.stdout.write(String(three));\n',
};

/** Faults to plant, by check and file, and words of what the check must say of each. */
const faults: Readonly<Record<string, Readonly<Record<string, readonly [text: string, ...says: string[]]>>>> = {
  "types": {
    "src/core/text.ts": ['export const n: number = "one";\n', "src/core/text.ts(1,14): error TS2322"],
    "src/core/first.ts": [
      "export const first = (list: readonly number[]): number => list[0];\n",
      "src/core/first.ts(1,59): error TS2322",
    ],
  },
  "build": { "src/core/nowhere.ts": ["export const n = nowhere;\n", "src/core/nowhere.ts(1,18): error TS2304"] },
  "lint": {
    "src/core/default.ts": ["export default 1;\n", "noDefaultExport"],
    "src/core/camelCase.ts": ["export const n = 1;\n", "useFilenamingConvention"],
    "src/core/any.ts": ["export const n: any = 1;\n", "noExplicitAny"],
    "src/core/console.ts": ['export const say = () => console.log("here");\n', "noConsole"],
    "test/skipped.test.ts": ['import { test } from "vitest";\n\ntest.skip("later", () => {});\n', "noSkippedTests"],
    "src/core/unformatted.ts": ["export const n = { a:1 }\n", "src/core/unformatted.ts:1 format"],
    "src/core/twin.ts": ["export interface Twin {\n  readonly n: number;\n}\n", ""],
    "src/core/twin-too.ts": [
      "export type Twin = string;\n",
      "src/core/twin-too.ts, src/core/twin.ts: 'Twin' is declared more than once",
    ],
  },
  "promises": {
    "src/core/floating.ts": ["const later = async () => 1;\nexport function now() {\n  later();\n}\n", "no-floating-promises"],
    "src/core/misused.ts": [
      "export const each = (list: number[]) => list.forEach(async (n) => void (await n));\n",
      "no-misused-promises",
    ],
    "src/core/casts.ts": [`export const n = [${"1 as number, ".repeat(200)}];\n`, "src/ holds 200 casts (x as T), and "],
    "src/core/long.ts": ["export {};\n".repeat(401), "max-lines"],
  },
  "imports": {
    "src/core/upward.ts": ['export { three } from "../plan/plan.ts";\n', "core-imports: src/core/upward.ts → src/plan/plan.ts"],
    "src/core/circle.ts": ['export { b } from "./circle-b.ts";\n', "no-cycles: src/core/circle"],
    "src/core/circle-b.ts": ['import "./circle.ts";\n\nexport const b = 1;\n', "→ src/core/circle-b.ts"],
    "src/bus/redis/bus.ts": ["export const bus = 1;\n", ""],
    "src/limit/redis/stranger.ts": [
      'export { bus } from "../../bus/redis/bus.ts";\n',
      "limit-redis-stands-alone: src/limit/redis/stranger.ts",
    ],
    "src/engine/driver.ts": ['export { bus } from "../bus/redis/bus.ts";\n', "drivers-are-joined-in-host: src/engine/driver.ts"],
    "src/engine/read/back.ts": [
      'export { settle } from "../commit/settle.ts";\n',
      "engine-read-imports: src/engine/read/back.ts",
    ],
    "src/engine/commit/settle.ts": ["export const settle = 1;\n", ""],
    "src/stages/value.ts": ['export { port } from "../bus/port.ts";\n', "stages-imports-types: src/stages/value.ts"],
    "src/bus/port.ts": ["export const port = 1;\n", ""],
    "pipelines/inside.ts": ['export { add } from "../src/core/add.ts";\n', "pipelines-imports: pipelines/inside.ts"],
    "pipelines/client.ts": ['export { createClient } from "redis";\n', "pipelines-open-nothing: pipelines/client.ts"],
    "workflows/pay.ts": ['export { pay } from "../activities/pay.ts";\n', "workflows-imports: workflows/pay.ts"],
    "activities/pay.ts": ["export const pay = 1;\n", ""],
    "pipelines/streams.ts": ['export { pay } from "./pay.ts";\n', "catalogue-declares: pipelines/streams.ts"],
    "pipelines/pay.ts": ["export const pay = 1;\n", ""],
    "activities/known.ts": ['export { pay } from "../pipelines/streams.ts";\n', ""],
    "activities/unknown.ts": ['export { pay } from "../pipelines/pay.ts";\n', "activities-imports: activities/unknown.ts"],
    "activities/host.ts": ['export { three } from "../src/host/index.ts";\n', "activities-imports-types: activities/host.ts"],
    "workflows/node.ts": ['export { readFileSync } from "node:fs";\n', "sandbox-has-no-node: workflows/node.ts"],
    "src/saga/code.ts": ['export { three } from "../plan/plan.ts";\n', "sandbox-imports-types: src/saga/code.ts"],
    "src/archive/workflows/code.ts": [
      'export { three } from "../../plan/plan.ts";\n',
      "sandbox-imports-types: src/archive/workflows/code.ts",
    ],
    "src/core/development.ts": ['export { parse } from "yaml";\n', "no-dev-packages: src/core/development.ts"],
    "src/limit/limit.ts": ["export const limit = 1;\n", "README.md: its map does not say what is in src/limit"],
    "README.md": ["| `src/core` `src/gone` | what |\n", "README.md: its map has src/gone, which is not there"],
    "src/core/gone.ts": ['export { gone } from "./nowhere.ts";\n', "no-unresolved: src/core/gone.ts"],
  },
  "surface": {
    "src/index.ts": ['export { add } from "./core/add.ts";\nexport * from "./core/open.ts";\n', ""],
    "src/core/hidden.ts": [
      "export interface Hidden {\n  readonly deep: Deep;\n}\nexport interface Deep {\n  readonly n: number;\n}\n",
      "src/core/hidden.ts Deep: is in the signature of Hidden, and no door exports it",
    ],
    "src/core/open.ts": [
      `import type { Hidden } from "./hidden.ts";
export interface OpenOptions {
  /** How long. */
  readonly waitMs: number;
  /** How much, bytes. */
  readonly maxBytes?: number;
  readonly hidden: Hidden;
}
export function open(options: OpenOptions): Hidden {
  if (options.waitMs < 0) throw new RangeError("waitMs");
  return options.hidden;
}
`,
      "src/core/hidden.ts Hidden: is in the signature of OpenOptions, and no door exports it",
      ...[
        "open: says not what it is",
        "open: has no @example",
        "open: throws, and has no @throws",
        "OpenOptions: says not what it is",
        "OpenOptions: has no @example, and is in the signature of nothing that has one",
        "OpenOptions.hidden: says not what it is",
        "OpenOptions.waitMs: names no unit: milliseconds",
        "OpenOptions.maxBytes: may be left out, and says no @default",
      ].map((fault) => `src/core/open.ts ${fault}\n`),
    ],
  },
  "examples": {
    "src/core/wrong.ts": [
      `${docOf('const text: string = add(1, "2");')}export const wrong = 1;\n`,
      "src/core/wrong.ts, @example 1(2,29): error TS2345",
    ],
    "docs/guide.md": ["# Guide\n\n```ts\nsubtract(1, 2);\n```\n", "docs/guide.md, block 1(1,1): error TS2304"],
    "README.md": ['```ts\nimport { nothing } from "headrace";\n```\n', "README.md, block 1(1,10): error TS2305"],
  },
  "dead-code": {
    "src/core/unread.ts": ["export const n = 1;\n", "src/core/unread.ts"],
    "src/core/add.ts": ["export const lonely = 1;\nexport const add = (a: number, b: number): number => a + b;\n", "lonely"],
  },
};

describe("npm run check", { timeout: 120_000 }, () => {
  const without = ["types", "build", "lint", "promises", "imports", "surface", "examples", "package"];
  let repository: MiniRepository;
  let ofClean: { readonly code: number | null; readonly output: string };

  const check = async (...names: readonly string[]) => {
    const { code, stdout, stderr } = await repository.node("scripts/check.mjs", ...names);
    return { code, output: stdout + stderr };
  };

  beforeAll(async () => {
    repository = await miniRepository(clean);
    ofClean = await check(...without.toReversed());
  }, 120_000);
  afterAll(() => repository.remove());

  test("passes types, build, lint, promises, imports, surface, examples and package over code without a fault", () => {
    const { code, output } = ofClean;
    expect(output.split("\n").at(-2)).toBe("checks: 8 passed, 0 failed");
    expect(code).toBe(0);
  });

  test("tells of them in one order, in whatever order they are asked for and end", () => {
    expect([...ofClean.output.matchAll(/^ok {3}(\S+) \(\d+\.\d s\)$/gm)].map(([, name]) => name)).toEqual(without);
  });

  test("finds an entry of the package that leads nowhere (package)", async () => {
    const types = join(repository.path, "dist/saga/index.d.ts");
    await rename(types, `${types}.aside`);
    const { code, output } = await check("package");
    await rename(`${types}.aside`, types);
    expect(output).toContain("./dist/saga/index.d.ts but the file does not exist");
    expect(code).toBe(1);
  });

  test("refuses a check that does not exist, and names those that do", async () => {
    const { code, output } = await check("spelling");
    expect(code).toBe(2);
    expect(output).toContain("types, build, lint, promises, imports, surface, examples, dead-code, package");
  });

  test("fails when dependency-cruiser reads no TypeScript, as it does when only TypeScript 7 is installed", async () => {
    const path = ".dependency-cruiser.mjs";
    await repository.write({ [path]: 'export default { forbidden: [], options: { exclude: { path: "[.]ts$" } } };\n' });
    const { code, output } = await check("imports");
    const { length } = Object.keys(clean).filter((file) => file.endsWith(".ts"));
    expect(output).toContain(`dependency-cruiser did not read ${length} of ${length} files`);
    expect(code).toBe(1);
  });

  describe("with a fault", () => {
    let planted: MiniRepository;

    beforeEach(async () => {
      planted = await miniRepository(clean);
      return () => planted.remove();
    });

    test.each(Object.entries(faults))("%s finds each of its faults", async (name, planting) => {
      await planted.write(Object.fromEntries(Object.entries(planting).map(([file, [text]]) => [file, text])));
      const { code, stdout } = await planted.node("scripts/check.mjs", name);
      for (const says of Object.values(planting).flatMap(([, ...all]) => all)) expect(stdout).toContain(says);
      expect(stdout).toContain(`FAIL ${name} `);
      expect(stdout.split("\n").at(-2)).toBe(`checks: 0 passed, 1 failed (${name})`);
      expect(code).toBe(1);
    });
  });
});
