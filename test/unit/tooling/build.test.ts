import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { type MiniRepository, miniRepository } from "../../support/mini-repository.ts";

const main =
  'import { word } from "../core/word.ts";\n\nprocess.stdout.write(`' +
  "$" +
  "{word} $" +
  '{process.argv.slice(2).join(" ")}`);\n';

describe("the build", { timeout: 120_000 }, () => {
  let repository: MiniRepository;

  beforeEach(async () => {
    repository = await miniRepository({
      "src/cli/main.ts": main,
      "src/core/word.ts": 'export const word: string = "one";\n',
      "src/bus/redis/lease.lua": "return 1\n",
    });
    return () => repository.remove();
  });

  const builds = (stderr: string) => stderr.split("\n").filter((line) => line.includes("building dist/")).length;
  const headrace = (...args: string[]) => repository.node("bin/headrace.js", ...args);

  test("is made by the first command, and not again while src/ stays the same", async () => {
    const first = await headrace("a", "b");
    expect(first).toMatchObject({ code: 0, stdout: "one a b" });
    expect(builds(first.stderr)).toBe(1);
    expect(await headrace("c")).toEqual({ code: 0, stdout: "one c", stderr: "" });
  });

  test("copies what is not TypeScript", async () => {
    await repository.node("scripts/build.mjs");
    expect(await readFile(join(repository.path, "dist/bus/redis/lease.lua"), "utf8")).toBe("return 1\n");
  });

  test("follows a changed, an added and a removed file, whatever their times", async () => {
    await headrace();
    await repository.write({ "src/core/word.ts": 'export const word: string = "two";\n' });
    expect((await headrace()).stdout).toBe("two ");
    await repository.write({ "src/core/extra.ts": "export const extra = 1;\n" });
    expect(builds((await headrace()).stderr)).toBe(1);
    expect(existsSync(join(repository.path, "dist/core/extra.js"))).toBe(true);
    await rm(join(repository.path, "src/core/extra.ts"));
    await headrace();
    expect(existsSync(join(repository.path, "dist/core/extra.js"))).toBe(false);
  });

  test("is made once by commands that start together, and all of them run", async () => {
    const runs = await Promise.all([headrace("1"), headrace("2"), headrace("3"), headrace("4")]);
    expect(runs.map((run) => run.stdout)).toEqual(["one 1", "one 2", "one 3", "one 4"]);
    expect(builds(runs.map((run) => run.stderr).join("\n"))).toBe(1);
    expect((await readdir(repository.path)).filter((name) => /^dist\.|lock\b.*\d|^\.build/.test(name))).toEqual([]);
  });

  test("takes over the lock of a builder that was killed", async () => {
    const dead = await repository.node("-p", "process.pid");
    await writeFile(join(repository.path, ".build.lock"), dead.stdout);
    const runs = await Promise.all([headrace("1"), headrace("2"), headrace("3")]);
    expect(runs.map((run) => run.stdout)).toEqual(["one 1", "one 2", "one 3"]);
    expect(existsSync(join(repository.path, ".build.lock"))).toBe(false);
  });

  test("keeps the dist/ that is there when src/ does not compile, and fails with the compiler's words", async () => {
    await repository.node("scripts/build.mjs");
    const before = (await stat(join(repository.path, "dist/.stamp"))).mtimeMs;
    await repository.write({ "src/core/word.ts": "export const word: string = 1;\n" });
    const { code, stderr } = await repository.node("scripts/build.mjs");
    expect(code).toBe(1);
    expect(stderr).toContain("src/core/word.ts(1,14): error TS2322");
    expect((await stat(join(repository.path, "dist/.stamp"))).mtimeMs).toBe(before);
  });

  test("is not looked for in an installed package, which has no src/", async () => {
    await headrace();
    await rm(join(repository.path, "src"), { recursive: true });
    expect(await headrace("x")).toEqual({ code: 0, stdout: "one x", stderr: "" });
  });

  test("is imported once, as the package itself, by a TypeScript file that scripts/run.mjs runs", async () => {
    await repository.write({
      "src/index.ts": "export const identity = {};\n",
      "test/demo/other.ts": 'export { identity as seen } from "headrace";\n',
      "test/demo/main.ts":
        'import { identity } from "headrace";\nimport { seen } from "./other.ts";\nconst args: readonly string[] = process.argv.slice(2);\nconst dist = await import(new URL("../../dist/index.js", import.meta.url).href);\nconsole.log(identity === seen, identity === dist.identity, args.join(" "));\nprocess.exitCode = 3;\n',
    });
    await repository.node("scripts/build.mjs");
    expect(await repository.node("scripts/run.mjs", "test/demo/main.ts", "--events", "5")).toEqual({
      code: 3,
      stdout: "true true --events 5\n",
      stderr: "",
    });
  });

  test("of a file that throws, scripts/run.mjs says the error and its way out", async () => {
    await repository.write({
      "test/demo/main.ts":
        'throw Object.assign(new Error("no ports are free"), { code: "stack.port", hint: "Free one." });\nexport {};\n',
    });
    expect(await repository.node("scripts/run.mjs", "test/demo/main.ts")).toEqual({
      code: 1,
      stdout: "",
      stderr: "headrace: no ports are free\nFree one.\n",
    });
  });
});
