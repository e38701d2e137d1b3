import { expect } from "vitest";
import type { Ran } from "./headrace.ts";
import type { Operator } from "./operator.ts";

export interface Refusal {
  readonly code: 1 | 2;
  /** What its sentence names. */
  readonly says: RegExp;
  /** What it names as the way out. */
  readonly wayOut: RegExp;
}

/** A command that must be refused, and the environment that makes it so. */
export type Case = readonly [name: string, args: readonly string[], refusal: Refusal, env?: Readonly<Record<string, string>>];

/** Runs every case, two at a time: each must say a sentence and a way out, on standard error alone, without a stack trace. */
export async function refuseAll(operator: Operator, cases: readonly Case[]): Promise<void> {
  const left = [...cases];
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [name, args, refusal, env = {}] = next;
      const ran = await operator.tryRun(args, { env });
      try {
        expectRefusal(ran, refusal);
      } catch (error) {
        throw new Error(`${name}: headrace ${args.join(" ")}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
  };
  await Promise.all([lane(), lane()]);
}

function expectRefusal({ code, stdout, stderr }: Ran, refusal: Refusal): void {
  // Where the repository has changed, the first command builds it and says so.
  const said = stderr.replace(/^headrace: .*\n/gm, "").replace(/^Starting .*\n/gm, "");
  expect({ code, stdout, said }).toEqual({
    code: refusal.code,
    stdout: "",
    said: expect.stringMatching(/^error: \S.*\n {7}\S.*\n$/),
  });
  const [sentence, wayOut] = said.split("\n");
  expect(sentence).toMatch(refusal.says);
  expect(wayOut).toMatch(refusal.wayOut);
  expect(said).not.toMatch(/\n\s+at /);
}
