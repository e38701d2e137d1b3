import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { refusedReasons, retryReasons } from "../../../src/collector/answer.ts";
import { problems } from "../../../src/collector/problem.ts";

const page = readFileSync(new URL("../../../docs/door.md", import.meta.url), "utf8");

it("docs/door.md lists every reason and every problem, in the words of the code", () => {
  const reasons = { ...refusedReasons, ...retryReasons };
  const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` \| (.+) \|$/gm)].map(([, name, means]) => [name, means]);
  expect(Object.fromEntries(rows.filter(([name = ""]) => name in reasons || name.includes("-")))).toEqual(reasons);
  const listed = [...page.matchAll(/^\| (\d+) \| `headrace:([a-z-]+)` \| (.+) \|$/gm)].map(([, status, name, title]) => [
    name,
    { status: Number(status), title },
  ]);
  expect(Object.fromEntries(listed)).toEqual(problems);
});
