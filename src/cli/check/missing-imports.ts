import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createJiti } from "jiti";
import { findTsconfig } from "../../host/tsconfig.ts";
import type { Finding } from "../../plan/check.ts";
import { findModule } from "../load-app.ts";

const roots = ["pipelines/index", "workflows/index", "activities/index"];
/** Ours, whose names are known: where each lies under `dist/`. */
const doors: Readonly<Record<string, string>> = {
  "headrace": "index",
  "headrace/saga": "saga/index",
  "headrace/participant": "participant/index",
  "headrace/host": "host/index",
  "headrace/archive": "archive/index",
  "headrace/archive/workflows": "archive/workflows/index",
  "headrace/testing": "testing/index",
};

/**
 * Names that the application imports of Headrace, or of its own files, and that are not there. Loaded as it is for a run, such a name
 * would be undefined, and fail wherever it is used first, or never.
 */
export function missingImports(cwd: string): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const look = (file: string): void => {
    if (seen.has(file) || file.includes("/node_modules/") || !/\.[cm]?[jt]sx?$/.test(file)) return;
    seen.add(file);
    for (const { names, from } of importsIn(read(file))) {
      const target = targetOf(from, file);
      if (target === undefined) continue;
      const there = exportsOf(read(target));
      const missing = names.filter((name) => there && !there.has(name));
      for (const name of missing) {
        findings.push({
          code: "import-missing",
          where: relative(cwd, file),
          message: `imports ${name} from '${from}', which exports nothing of that name`,
          hint: "Correct the name, or take the import out: 'npx tsc' finds it too.",
        });
      }
      if (!(from in doors)) look(target);
    }
  };
  for (const root of roots) {
    const file = findModule(cwd, root);
    if (file !== undefined) look(file);
  }
  return findings;
}

/** The file that an import means; `undefined` for other packages, and for what is not found, which the load will tell. */
function targetOf(from: string, file: string): string | undefined {
  const door = doors[from];
  if (door !== undefined) return fileURLToPath(new URL(`../../${door}.d.ts`, import.meta.url));
  if (isBuiltin(from)) return undefined;
  const jiti = createJiti(pathToFileURL(file).href, { tsconfigPaths: findTsconfig(file) ?? false });
  const found = jiti.esmResolve(from, { try: true });
  if (found === undefined || !found.startsWith("file:") || found.includes("/node_modules/")) return undefined;
  const path = fileURLToPath(found);
  return existsSync(path) ? path : undefined;
}

/** Without comments, whose examples import too. */
function read(file: string): string {
  return readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, "$1");
}

interface Import {
  readonly names: readonly string[];
  readonly from: string;
}

/** Imports of names, and names that are passed on. */
function importsIn(text: string): readonly Import[] {
  const imports = /^\s*(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?\{([^}]*)\}\s*from\s*["']([^"']+)["']/gm;
  return [...text.matchAll(imports)].map(([, list = "", from = ""]) => ({ names: namesIn(list).map(([name]) => name), from }));
}

/** What a file exports, values and types; `undefined` where that cannot be told from it alone. */
function exportsOf(text: string): ReadonlySet<string> | undefined {
  if (!/^\s*export\b/m.test(text) || /^\s*export\s+(\*\s*from|(const|let|var)\s*[{[]|=)/m.test(text)) return undefined;
  const declared =
    /^\s*export\s+(?:declare\s+|abstract\s+|async\s+)*(?:const\s+enum|const|let|var|function\s*\*?|class|enum|type|interface|namespace)\s+([\w$]+)/gm;
  const names = [...text.matchAll(declared)].map(([, name = ""]) => name);
  const listed = [...text.matchAll(/^\s*export\s+(?:type\s+)?\{([^}]*)\}/gm)].flatMap(([, list = ""]) =>
    namesIn(list).map(([name, as]) => as ?? name),
  );
  const spaces = [...text.matchAll(/^\s*export\s+\*\s+as\s+([\w$]+)/gm)].map(([, name = ""]) => name);
  return new Set([...names, ...listed, ...spaces, ...(/^\s*export\s+default\b/m.test(text) ? ["default"] : [])]);
}

/** `a, type b as c`: each name, and the one that it is given. */
const namesIn = (list: string): readonly (readonly [name: string, as: string | undefined])[] =>
  [...list.matchAll(/(?:^|,)\s*(?:type\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?/g)].map(([, name = "", as]) => [name, as]);
