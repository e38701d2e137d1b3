import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The `tsconfig.json` that holds for a file: its `paths` and `baseUrl` say where modules lie. */
export function findTsconfig(file: string): string | undefined {
  const folder = dirname(file);
  const path = resolve(folder, "tsconfig.json");
  if (existsSync(path)) return path;
  return folder === file ? undefined : findTsconfig(folder);
}
