// Runs a TypeScript file of the repository: `node scripts/run.mjs test/demo/main.ts [arguments]`.
// Node strips the types itself where it can (22.18 and newer); jiti does it on Node 20. Either way `headrace` is dist/, once.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("usage: node scripts/run.mjs <file.ts> [arguments]\n");
  process.exit(2);
}
const path = resolve(file);
process.argv = [process.argv[0], path, ...args];

/** Codes by which Node says that it cannot strip the types of a file, as opposed to a fault in the file. */
const cannotStrip = new Set([
  "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
  "ERR_UNKNOWN_FILE_EXTENSION",
  "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING",
]);

try {
  await load();
} catch (error) {
  const ours = typeof error?.code === "string" && "hint" in error;
  process.stderr.write(
    ours ? `headrace: ${error.message}\n${error.hint ? `${error.hint}\n` : ""}` : `${error?.stack ?? error}\n`,
  );
  process.exitCode = 1;
}

async function load() {
  if (process.features.typescript) {
    try {
      return await import(pathToFileURL(path).href);
    } catch (error) {
      if (!cannotStrip.has(error?.code)) throw error;
    }
  }
  const { createJiti } = await import("jiti");
  return createJiti(import.meta.url).import(path);
}
