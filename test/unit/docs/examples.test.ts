import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const scratch = `${root}node_modules/.cache/headrace-examples`;

/** What an `@example` may use without importing it: the public doors, the reference application, and what stands for a user's own. */
const doors: Readonly<Record<string, string>> = {
  headrace: "src/index.ts",
  "headrace/saga": "src/saga/index.ts",
  "headrace/participant": "src/participant/index.ts",
  "headrace/host": "src/host/index.ts",
  "headrace/testing": "src/testing/index.ts",
};
const rooms = [
  "pipelines/events.ts",
  "pipelines/streams.ts",
  "pipelines/tables.ts",
  "pipelines/login-analytics.ts",
  "pipelines/index.ts",
  "activities/index.ts",
];
const usersOwn: Readonly<Record<string, string>> = {
  z: `import { z } from "zod";`,
  CheckoutInput: "interface CheckoutInput { readonly lines: readonly string[] }",
  Activities: `interface Activities {
    reserveStock(key: string, lines: readonly string[]): Promise<void>;
    releaseStock(key: string): Promise<void>;
    createOrder(key: string, input: CheckoutInput): Promise<{ id: string }>;
    cancelOrder(key: string): Promise<void>;
    announceOrder(key: string, order: { id: string }): Promise<void>;
  }`,
};

interface Example {
  readonly where: string;
  readonly code: string;
}

const filesIn = (room: string, ending: string): readonly string[] =>
  (readdirSync(`${root}${room}`, { recursive: true }) as string[])
    .filter((file) => file.endsWith(ending))
    .map((file) => `${room}/${file}`);

const blocksOf = (text: string): readonly string[] => [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");

function examplesInDocs(): readonly Example[] {
  return ["README.md", ...filesIn("docs", ".md")].flatMap((file) =>
    blocksOf(readFileSync(`${root}${file}`, "utf8")).map((code, i) => ({ where: `${file}, block ${i + 1}`, code })),
  );
}

function examplesInComments(): readonly Example[] {
  return filesIn("src", ".ts").flatMap((file) =>
    [...readFileSync(`${root}${file}`, "utf8").matchAll(/^ *\* @example\n([\s\S]*?)(?=^ *\* @|^ *\*\/)/gm)].map((match, i) => {
      const text = (match[1] ?? "").replace(/^ *\* ?/gm, "");
      const code = blocksOf(text)[0] ?? text;
      return { where: `${file}, @example ${i + 1}`, code: `${preamble(code)}\n${code}` };
    }),
  );
}

/** Imports of everything that the example names and does not declare. */
function preamble(code: string): string {
  const declared = new Set([...code.matchAll(/(?:const|function) (\w+)/g)].map((match) => match[1]));
  const lines = new Map<string, string>();
  const offer = (name: string, line: string) => {
    if (!declared.has(name) && !lines.has(name) && new RegExp(`\\b${name}\\b`).test(code)) lines.set(name, line);
  };
  for (const [door, file] of Object.entries(doors))
    for (const name of exportsOf(file)) offer(name, `import { ${name} } from "${door}";`);
  for (const [name, line] of Object.entries(usersOwn)) offer(name, line);
  for (const file of rooms) for (const name of exportsOf(file)) offer(name, `import { ${name} } from "../../../${file}";`);
  return [...lines.values()].join("\n");
}

/** The values that a file exports. */
function exportsOf(file: string): readonly string[] {
  const text = readFileSync(`${root}${file}`, "utf8");
  const own = [...text.matchAll(/^export const (\w+)/gm)].map((match) => match[1] ?? "");
  const passed = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap((match) => (match[1] ?? "").split(","));
  return [...own, ...passed.map((name) => name.trim()).filter((name) => name !== "" && !name.startsWith("type "))];
}

it("every block of code in the README, the docs and the comments compiles", { timeout: 180_000 }, async () => {
  const examples = [...examplesInDocs(), ...examplesInComments()];
  expect(examples.length).toBeGreaterThan(10);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  examples.forEach(({ code }, i) => {
    writeFileSync(`${scratch}/${i}.ts`, `${code}\nexport {};\n`);
  });
  const config = {
    extends: "../../../tsconfig.json",
    compilerOptions: { lib: ["es2023", "esnext.disposable", "dom"] },
    include: ["*.ts"],
  };
  writeFileSync(`${scratch}/tsconfig.json`, JSON.stringify(config));
  const checked = await promisify(execFile)(process.execPath, [`${root}node_modules/@typescript/native/bin/tsc`, "-p", scratch], {
    cwd: scratch,
  }).catch((error) => error);
  const said = String(checked.stdout).replace(/^(?:.*\/)?(\d+)\.ts/gm, (_, i) => examples[Number(i)]?.where ?? i);
  expect(said).toBe("");
});
