import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBundle } from "../../src/cli/start/workflow-bundle.ts";
import { tryHeadrace } from "../support/headrace.ts";

// In the repository, so that its packages are found.
const parent = fileURLToPath(new URL("../../.headrace", import.meta.url));
let cwd: string;
const write = (text: string) => writeFile(join(cwd, "workflows/index.ts"), text);
const bundle = (...more: readonly string[]) => tryHeadrace(["--cwd", cwd, "bundle", ...more]);
const path = () => join(cwd, ".headrace/workflow-bundle.js");

beforeAll(async () => {
  await mkdir(parent, { recursive: true });
  cwd = await mkdtemp(join(parent, "bundle-"));
  await mkdir(join(cwd, "workflows"));
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

describe("headrace bundle", () => {
  it("makes a file that saga workers use until a source of it changes", async () => {
    await write(`import { word } from "./word.ts";\nexport const greet = async () => word;\n`);
    await writeFile(join(cwd, "workflows/word.ts"), `export const word = "hello";\n`);
    expect(await bundle()).toMatchObject({ code: 0 });
    // A mark tells that it is this file which is used, and no other of the same content.
    await writeFile(path(), `${await readFile(path(), "utf8")}// marked\n`);
    expect(await findBundle(cwd, undefined)).toContain("// marked");
    await writeFile(join(cwd, "workflows/word.ts"), `export const word = "good bye";\n`);
    const fresh = await findBundle(cwd, undefined);
    expect(fresh).not.toContain("// marked");
    expect(fresh).toContain("good bye");
    expect(await findBundle(cwd, ".headrace/workflow-bundle.js")).toContain("// marked");
    await expect(findBundle(cwd, "gone.js")).rejects.toThrow("HEADRACE_WORKFLOW_BUNDLE names gone.js, which cannot be read");
  }, 60_000);

  it("refuses a workflow that imports Node's modules, with their names, and writes nothing", async () => {
    for (const name of ["node:fs", "fs"]) {
      await write(
        `import { readFileSync } from "${name}";\nexport const greet = async () => readFileSync("/etc/hostname", "utf8");\n`,
      );
      const refused = await bundle("--out", "other.js");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/cannot be bundled: it, or what it imports, imports fs\n/);
    }
    await expect(stat(join(cwd, "other.js"))).rejects.toThrow("ENOENT");
  }, 60_000);

  it("says where a workflow is no TypeScript", async () => {
    await write("export const greet = async ( => 1;\n");
    const refused = await bundle();
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("index.ts") });
  }, 60_000);
});
