import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headrace } from "../../support/headrace.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));

/** A project that has installed the package. */
let project: string;
beforeAll(async () => {
  // The first command builds dist/.
  await headrace(["--help"]);
  project = mkdtempSync(join(tmpdir(), "headrace-package-"));
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", project];
  execFileSync("npm", pack, { cwd: repository, stdio: "ignore" });
  const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { version: string };
  const installed = join(project, "node_modules/headrace");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(project, `headrace-${version}.tgz`), "--strip-components=1", "-C", installed]);
  symlinkSync(join(repository, "node_modules"), join(installed, "node_modules"));
  symlinkSync(join(repository, "node_modules/@types"), join(project, "node_modules/@types"));
}, 120_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

const doors = ["headrace", "headrace/saga", "headrace/participant", "headrace/host", "headrace/testing"];

describe("the packed package", { timeout: 120_000 }, () => {
  test("is loaded by require, through each of its doors, and is what import gets", () => {
    const script = `Promise.all(${JSON.stringify(doors)}.map(async (door) => Object.keys(await import(door)).every((name) => require(door)[name] !== undefined))).then((all) => console.log(all.join()))`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--no-warnings", "-e", script], { cwd: project, encoding: "utf8" });
    expect({ stdout, stderr }).toEqual({ stdout: `${doors.map(() => true).join()}\n`, stderr: "" });
  });

  test("has types and code for a project that is compiled to CommonJS", () => {
    const lines = doors.map((door, i) => `import * as door${i} from "${door}";\nconsole.log(Object.keys(door${i}).length > 1);`);
    writeFileSync(join(project, "main.ts"), lines.join("\n"));
    const tsc = join(repository, "node_modules/typescript/bin/tsc6");
    const options = {
      module: "commonjs",
      moduleResolution: "node10",
      target: "es2022",
      ignoreDeprecations: "6.0",
      types: "node",
      outDir: "out",
    };
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const compiled = spawnSync(process.execPath, [tsc, ...flags, "--strict", "--skipLibCheck", "main.ts"], {
      cwd: project,
      encoding: "utf8",
    });
    expect(compiled.stdout + compiled.stderr).toBe("");
    const ran = spawnSync(process.execPath, ["--no-warnings", "out/main.js"], { cwd: project, encoding: "utf8" });
    expect({ stdout: ran.stdout, stderr: ran.stderr }).toEqual({ stdout: "true\n".repeat(doors.length), stderr: "" });
  });
});
