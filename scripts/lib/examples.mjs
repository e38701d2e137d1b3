// Every block of code that a reader may copy: those of the README and docs/, and each `@example` of a comment in src/.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { repository } from "./build.mjs";
import { doorsOf } from "./surface.mjs";
import { capture } from "./tools.mjs";

const scratch = join(repository, "node_modules/.cache", `headrace-examples-${process.pid}`);

/** What an `@example` may use without importing it, beside the public doors: the reference application, and what stands for a user's own. */
const rooms = [
  "pipelines/events.ts",
  "pipelines/streams.ts",
  "pipelines/tables.ts",
  "pipelines/login-analytics.ts",
  "pipelines/index.ts",
  "activities/index.ts",
];
const usersOwn = {
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

/** Compiles all of them. What the compiler says, by the places of the examples; undefined when all is well. */
export async function checkExamples() {
  const examples = [...examplesInDocs(), ...examplesInComments()];
  mkdirSync(scratch, { recursive: true });
  try {
    for (const { path, code } of examples) {
      mkdirSync(dirname(join(scratch, path)), { recursive: true });
      writeFileSync(join(scratch, path), `${code}\nexport {};\n`);
    }
    const config = {
      extends: "../../../tsconfig.json",
      compilerOptions: { lib: ["es2023", "esnext.disposable", "dom"] },
      include: ["**/*.ts"],
    };
    writeFileSync(join(scratch, "tsconfig.json"), JSON.stringify(config));
    const { status, output } = await capture("tsc", ["-p", scratch, "--pretty", "false"]);
    if (status === 0) return undefined;
    const places = new Map(examples.map(({ path, where }) => [path, where]));
    return output.replace(/^(.*?\.ts)(?=\()/gm, (path) => places.get(relative(scratch, join(repository, path))) ?? path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const filesIn = (room, ending) =>
  existsSync(join(repository, room))
    ? readdirSync(join(repository, room), { recursive: true })
        .filter((file) => file.endsWith(ending))
        .map((file) => `${room}/${file}`)
    : [];

const read = (file) => readFileSync(join(repository, file), "utf8");

const blocksOf = (text) => [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);

function examplesInDocs() {
  return ["README.md", ...filesIn("docs", ".md")]
    .filter((file) => existsSync(join(repository, file)))
    .flatMap((file) =>
      blocksOf(read(file)).map((code, i) => {
        // A block that begins with the path of its file can be imported by the others of its page.
        const [, path] = /^\/\/ ([\w./-]+\.ts)\n/.exec(code) ?? [];
        return {
          where: `${file}, block ${i + 1}`,
          path: path ? `${basename(file, ".md")}/${path}` : `${basename(file)}-${i + 1}.ts`,
          code,
        };
      }),
    );
}

function examplesInComments() {
  const offers = offered();
  return filesIn("src", ".ts").flatMap((file) =>
    [...read(file).matchAll(/^ *\* @example\n([\s\S]*?)(?=^ *\* @|^ *\*\/)/gm)].map(([, comment], i) => {
      const text = comment.replace(/^ *\* ?/gm, "");
      const code = blocksOf(text)[0] ?? text;
      const path = `${file.replaceAll("/", "-")}-${i + 1}.ts`;
      return { where: `${file}, @example ${i + 1}`, path, code: `${preamble(code, offers)}\n${code}` };
    }),
  );
}

/** A line for each name that an example may use. Of two that have one name, the first counts: values of the doors before their types. */
function offered() {
  const lines = new Map();
  const offer = (name, line) => lines.has(name) || lines.set(name, line);
  for (const [name, line] of Object.entries(usersOwn)) offer(name, line);
  const doors = doorsOf();
  for (const { name: door, source } of doors)
    for (const name of exportsOf(source).values) offer(name, `import { ${name} } from "${door}";`);
  for (const { name: door, source } of doors)
    for (const name of exportsOf(source).types) offer(name, `import type { ${name} } from "${door}";`);
  for (const file of rooms.filter((file) => existsSync(join(repository, file))))
    for (const name of exportsOf(file).values) offer(name, `import { ${name} } from "../../../${file}";`);
  return lines;
}

/** Imports of everything that the example names and does not declare. */
function preamble(code, offers) {
  const imported = [...code.matchAll(/^import (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) => names.match(/\w+/g) ?? []);
  const own = [...code.matchAll(/(?:const|function|interface|type|class) (\w+)/g)].map(([, name]) => name);
  const declared = new Set([...imported, ...own]);
  return [...offers]
    .filter(([name]) => !declared.has(name) && new RegExp(`\\b${name}\\b`).test(code))
    .map(([, line]) => line)
    .join("\n");
}

/** The names that a file exports. */
function exportsOf(file) {
  const text = read(file);
  const own = [...text.matchAll(/^export const (\w+)/gm)].map(([, name]) => name);
  const passed = [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, isType = "", names]) =>
    names.split(",").map((name) => isType + name.trim()),
  );
  const types = passed.filter((name) => name.startsWith("type ") && name !== "type ").map((name) => name.slice("type ".length));
  return { values: [...own, ...passed.filter((name) => /^\w+$/.test(name))], types };
}
