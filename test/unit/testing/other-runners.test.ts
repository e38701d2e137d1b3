import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { notTried } from "../../support/not-tried.ts";

const file = fileURLToPath(new URL("with-node-test.mjs", import.meta.url));
const root = fileURLToPath(new URL("../../..", import.meta.url));
const bun = spawnSync("bun", ["--version"], { encoding: "utf8" });

/** Without what this runner has put into the environment. */
function runs(program: string, args: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, env: { PATH, HOME }, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

describe("the test kit, as it is published", () => {
  beforeAll(() => {
    expect(runs(process.execPath, ["scripts/setup.mjs"]).status).toBe(0);
  }, 120_000);

  it("works under node --test", () => {
    const { status, said } = runs(process.execPath, ["--test", "--test-reporter=tap", file]);
    expect(said).toMatch(/# pass 3\n# fail 0/);
    expect(status).toBe(0);
  }, 60_000);

  if (bun.status === 0) {
    it(`works under bun test (${bun.stdout.trim()})`, () => {
      const { status, said } = runs("bun", ["test", file]);
      expect(said).toMatch(/3 pass\n\s*0 fail/);
      expect(status).toBe(0);
    }, 60_000);
  } else {
    notTried("the test kit under bun test", "bun is not on the PATH");
  }
});
