import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type MiniRepository, miniRepository, type Run, run } from "../../support/mini-repository.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

const passing: Readonly<Record<string, string>> = {
  "src/index.ts": "export const one: 1 = 1;\n",
  "test/types/one.tst.ts":
    'import { one } from "headrace";\nimport { expect, test } from "tstyche";\n\ntest("one is 1", () => {\n  expect(one).type.toBe<1>();\n  // @ts-expect-error Type \'string\' is not assignable to type \'number\'\n  const n: number = "a";\n  void n;\n});\n',
  "test/types/must-fail/awake.ts": '// refused: TS2322\nexport const n: number = "one";\n',
  "test/unit/one.test.ts":
    'import { one } from "headrace";\nimport { expect, test } from "vitest";\n\ntest("one is one", () => expect(one).toBe(1));\ntest("and so it stays", () => expect(one).toBe(1));\n',
  "test/unit/untried.test.ts": 'import { it } from "vitest";\n\nit("not tried here: the tide (no sea)", () => {});\n',
};

/** Faults to plant, by file, and what the run must say of each. One failure each. */
const faults: Readonly<Record<string, readonly [text: string, says: string]>> = {
  "test/unit/mistyped.test.ts": [
    'import { test } from "vitest";\n\ntest("is fine at run time", () => void ("a" satisfies number));\n',
    "types: 1 error(s)",
  ],
  "test/types/must-fail/asleep.ts": ["export const n: number = 1;\n", "test/types/must-fail/asleep.ts compiles"],
  "test/types/must-fail/other.ts": [
    '// refused: TS2339\nexport const n: number = "";\n',
    'other.ts is refused, but not with "TS2339"',
  ],
  "test/types/must-fail/missing.ts": ['export * from "./nowhere.ts";\n', "test/types/must-fail/missing.ts compiles"],
  "test/types/wrong.tst.ts": [
    'import { expect, test } from "tstyche";\n\ntest("two", () => {\n  expect(2 as number).type.toBe<string>();\n});\n',
    "type tests: see above",
  ],
  "test/types/sentence.tst.ts": [
    '// @ts-expect-error The sink has no column\nexport const n: number = "a";\n',
    "type tests: see above",
  ],
  "test/types/skipped.tst.ts": [
    'import { expect, test } from "tstyche";\n\ntest.skip("two of them", () => {\n  expect(2 as number).type.toBe<number>();\n});\n',
    "type tests: skipped: two of them",
  ],
  "test/unit/failing.test.ts": [
    'import { expect, test } from "vitest";\n\ntest("two is three", () => expect(2).toBe(3));\n',
    "tests: test/unit/failing.test.ts: two is three",
  ],
  "test/unit/skipped.test.ts": [
    'import { test } from "vitest";\n\ntest.skip("two, later", () => {});\n',
    "tests: test/unit/skipped.test.ts: two, later (skipped)",
  ],
  "test/unit/todo.test.ts": ['import { test } from "vitest";\n\ntest.todo("two, some day");\n', "two, some day (todo)"],
  "test/unit/broken.test.ts": ['throw new Error("not today");\nexport {};\n', "tests: test/unit/broken.test.ts: not today"],
};

describe("npm test", { timeout: 120_000 }, () => {
  let repository: MiniRepository;
  let whole: Run;

  beforeAll(async () => {
    repository = await miniRepository(passing);
    whole = await repository.node("scripts/test.mjs");
  }, 60_000);
  afterAll(() => repository.remove());

  test("adds up types, refusals, type tests and tests in its last line", () => {
    const { code, stdout, stderr } = whole;
    // The program, one refused file, a type test and its expected error, two tests.
    expect(stdout.split("\n").at(-2), stdout + stderr).toBe("6 passed, 0 failed");
    expect(code).toBe(0);
  });

  test("tells its slowest files", () => {
    const line = / +\d+\.\d {2}test\/unit\/(one|untried)\.test\.ts/.source;
    expect(whole.stdout).toMatch(new RegExp(`^The slowest files, in seconds:\n${line}\n${line}\n(?! )`, "m"));
  });

  test("lists what cannot be tried on this machine, and counts it for nothing", () => {
    expect(whole.stdout.split("\n")).toContain("not tried here: the tide (no sea)");
    expect(whole.stdout.split("\n").at(-2)).toBe("6 passed, 0 failed");
  });

  test("hands its arguments to vitest, and does not call skipped what a name leaves out", async () => {
    const { code, stdout } = await repository.node("scripts/test.mjs", "-t", "and so it stays");
    expect(stdout.split("\n").at(-2)).toBe("5 passed, 0 failed");
    expect(code).toBe(0);
  });

  test("fails when its arguments leave no test", async () => {
    const { code, stdout } = await repository.node("scripts/test.mjs", "test/unit/nowhere.test.ts");
    expect(stdout.split("\n").at(-2)).toBe("4 passed, 1 failed");
    expect(code).toBe(1);
  });

  test("leaves what the compiler has found to `npm run check -- types`, which finds what has changed since", async () => {
    const check = () => repository.node("scripts/check.mjs", "types");
    expect(existsSync(join(repository.path, "tsconfig.types.tsbuildinfo"))).toBe(true);
    expect(await check()).toMatchObject({ code: 0, stdout: expect.stringContaining("checks: 1 passed, 0 failed") });
    await repository.write({ "src/late.ts": 'export const late: number = "";\n' });
    expect(await check()).toMatchObject({ code: 1, stdout: expect.stringContaining("src/late.ts(1,14): error TS2322") });
    await rm(join(repository.path, "src/late.ts"));
  });

  test("counts every kind of failure once, and names it: nothing is skipped, refused for another reason or left out in silence", async () => {
    await repository.write(Object.fromEntries(Object.entries(faults).map(([file, [text]]) => [file, text])));
    const { code, stdout, stderr } = await repository.node("scripts/test.mjs");
    for (const [, says] of Object.values(faults)) expect(stdout).toContain(says);
    // Of the faults only the mistyped test passes at run time; the program as a whole no longer type-checks.
    expect(stdout.split("\n").at(-2), stdout + stderr).toBe("6 passed, 11 failed");
    expect(code).toBe(1);
  });
});

describe("npm run test:long", { timeout: 120_000 }, () => {
  const drawn = (test: string) =>
    `import { expect, test } from "vitest";\nimport { casesOf } from "../support/long-form.ts";\n\n${test}\nvoid [casesOf, expect];\n`;
  const long = drawn('test("draws many", () => expect(casesOf({ few: 1, many: 9 })).toBe(9));');
  let repository: MiniRepository;

  beforeEach(async () => {
    repository = await miniRepository(passing);
    await cp(join(root, "test/support/long-form.ts"), join(repository.path, "test/support/long-form.ts"));
    return () => repository.remove();
  });

  test("runs every test, and in its long form what has one", async () => {
    await repository.write({ "test/unit/a.test.ts": long, "test/guide/b.test.ts": long });
    const { code, stdout, stderr } = await repository.node("scripts/test-long.mjs");
    expect(stdout.split("\n").at(-2), stdout + stderr).toBe("4 passed, 0 failed");
    expect(code).toBe(0);
  });

  test("fails where there is none, where none is called so, and where a file of them runs no test", async () => {
    expect((await repository.node("scripts/test-long.mjs")).stdout).toContain(
      "no test with a long form is called so; there are none",
    );
    await repository.write({ "test/unit/a.test.ts": long, "test/unit/idle.test.ts": drawn('test.skip("later", () => {});') });
    const misspelt = await repository.node("scripts/test-long.mjs", "nowhere");
    expect([misspelt.code, misspelt.stdout]).toEqual([1, expect.stringContaining("0 passed, 1 failed")]);
    expect((await repository.node("scripts/test-long.mjs", "unit/a")).stdout).toContain("1 passed, 0 failed");
    await repository.write({
      "vitest.config.ts": 'export default { test: { include: ["test/unit/idle.test.ts"], allowOnly: false } };\n',
    });
    const { code, stdout } = await repository.node("scripts/test-long.mjs");
    expect(stdout).toContain("test/unit/a.test.ts: no test of it ran");
    expect(stdout).toContain("test/unit/idle.test.ts: later (skipped)");
    expect(code).toBe(1);
  });
});

describe(".ci/run", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "headrace-ci-"));
    await cp(join(root, ".ci"), join(folder, ".ci"), { recursive: true });
    await mkdir(join(folder, "path"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  afterEach(() => rm(join(folder, "asked"), { force: true }));

  /** Runs it with a stand-in for npm that writes and ends as told, for `test` and for `run check`. */
  async function ci(testPart: string, checkPart: string) {
    const npm = `#!/bin/sh\necho "$*" >> asked\ncase "$1" in test) ${testPart} ;; *) ${checkPart} ;; esac\n`;
    await writeFile(join(folder, "path/npm"), npm);
    await chmod(join(folder, "path/npm"), 0o755);
    const env = { PATH: `${join(folder, "path")}:${process.env.PATH}` };
    const { code, stdout } = await run("bash", [".ci/run"], { cwd: folder, env });
    return { code, last: stdout.split("\n").at(-2) };
  }

  test("adds up both commands in its last line", async () => {
    expect(await ci('echo "7 passed, 0 failed"', 'echo "checks: 3 passed, 0 failed"')).toEqual({
      code: 0,
      last: "10 passed, 0 failed",
    });
  });

  test("runs the checks though tests failed, and fails", async () => {
    expect(await ci('echo "7 passed, 2 failed"; exit 1', 'echo "checks: 3 passed, 1 failed (lint)"; exit 1')).toEqual({
      code: 1,
      last: "10 passed, 3 failed",
    });
  });

  test("counts a command that ends without a count as one failure", async () => {
    expect(await ci("exit 1", 'echo "checks: 3 passed, 0 failed"')).toEqual({ code: 1, last: "3 passed, 1 failed" });
    expect(await ci("exit 0", 'echo "checks: 3 passed, 0 failed"')).toEqual({ code: 1, last: "3 passed, 1 failed" });
    expect(await ci('echo "7 passed, 0 failed"; exit 1', 'echo "checks: 3 passed, 0 failed"')).toEqual({
      code: 1,
      last: "10 passed, 1 failed",
    });
  });
});
