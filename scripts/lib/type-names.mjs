import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const declaration = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|class|type) ([A-Za-z_]\w*)/gm;

/** Which types of src/ have the name of another one, by files; undefined when each name is declared once. */
export function typeNamesFault(root) {
  const filesOf = new Map();
  for (const name of readdirSync(join(root, "src"), { recursive: true })) {
    if (!name.endsWith(".ts")) continue;
    for (const [, type] of readFileSync(join(root, "src", name), "utf8").matchAll(declaration))
      filesOf.set(type, [...(filesOf.get(type) ?? []), `src/${name}`]);
  }
  const twice = [...filesOf].filter(([, files]) => files.length > 1);
  return twice.length > 0
    ? twice
        .map(([type, files]) => `${files.sort().join(", ")}: '${type}' is declared more than once: give each its own name`)
        .join("\n")
    : undefined;
}
