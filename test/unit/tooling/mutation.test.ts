import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Mutant, staleness, staleOnes } from "../../mutation/mutant.ts";
import { mutants } from "../../mutation/mutants/index.ts";
import { type Outcome, RedBaseline, runMutants } from "../../mutation/run.ts";
import { type MiniRepository, miniRepository } from "../../support/mini-repository.ts";

const source =
  "export const add = (a: number, b: number): number => a + b;\nexport const most = (a: number, b: number) => (a > b ? a : b);\n";
const test = (words: string) =>
  `import { expect, it } from "vitest";\nimport { add, most } from "../../src/core/add.ts";\n\n${words}\n`;
const sums = `it("adds", () => expect(add(2, 3)).toBe(5));\nit("compares", () => expect(most(2, 1)).toBe(2));`;

const mutant = (name: string, change: Partial<Mutant>): Mutant => ({
  ...{ name, breaks: "sums are wrong", file: "src/core/add.ts", find: "a + b", replace: "a - b" },
  by: { kind: "tests", files: ["test/unit/add.test.ts"] },
  ...change,
});

describe("the mutation tool", { timeout: 120_000 }, () => {
  let repository: MiniRepository;
  beforeAll(async () => {
    repository = await miniRepository({ "src/core/add.ts": source, "test/unit/add.test.ts": test(sums) });
  });
  afterAll(() => repository.remove());

  const outcomes = async (...mutants: readonly Mutant[]) => {
    const told: string[] = [];
    const found = await runMutants(mutants, { root: repository.path, lanes: 2, tell: ({ name }) => void told.push(name) });
    expect(told.sort()).toEqual(mutants.map(({ name }) => name).sort());
    return Object.fromEntries(found) as Record<string, Outcome>;
  };

  it("tells which mutants a test sees, which none does, and which the list has outlived", async () => {
    const tests = { kind: "tests", files: ["test/unit/add.test.ts"] } as const;
    const found = await outcomes(
      mutant("seen", {}),
      mutant("unseen", { find: "a > b ?", replace: "a >= b ?" }),
      mutant("not looked at", { by: { ...tests, names: "compares" } }),
      mutant("gone", { find: "a * b" }),
      mutant("ambiguous", { find: "number" }),
      mutant("no program", { replace: "a +" }),
      mutant("no test", { by: { ...tests, names: "divides" } }),
    );
    expect(found).toEqual({
      "seen": { kind: "killed", by: "adds" },
      "unseen": { kind: "survived" },
      "not looked at": { kind: "survived" },
      "gone": { kind: "stale", reason: expect.stringContaining("stands 0 times in src/core/add.ts") },
      "ambiguous": { kind: "stale", reason: expect.stringMatching(/stands \d times/) },
      "no program": { kind: "stale", reason: expect.stringContaining("does not load") },
      "no test": { kind: "stale", reason: expect.stringContaining("no test ran") },
    });
  });

  it("learns nothing from tests that fail without any mutant, and says so", async () => {
    await mkdir(join(repository.path, "test/unit"), { recursive: true });
    await writeFile(
      join(repository.path, "test/unit/red.test.ts"),
      test(`it("is red", () => expect(most(1, 2)).toBe(1));\nvoid add;`),
    );
    const red = mutant("any", { by: { kind: "tests", files: ["test/unit/red.test.ts"] } });
    await expect(outcomes(red)).rejects.toThrow(RedBaseline);
    await expect(outcomes(red)).rejects.toThrow("is red");
  });
});

it("takes a text literally, and one that changes nothing for stale", () => {
  expect(staleness(mutant("", { find: "(a > b ?", replace: "$&" }), source)).toBeUndefined();
  expect(staleness(mutant("", { replace: "a + b" }), source)).toBe("it changes nothing");
  expect(staleness(mutant("", {}), undefined)).toBe("there is no file src/core/add.ts");
});

it("finds the place of every mutant of the list in the sources as they are", async () => {
  expect([...(await staleOnes(mutants, fileURLToPath(new URL("../../..", import.meta.url))))]).toEqual([]);
});
