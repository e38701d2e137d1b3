import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { traceHeaders } from "../../../src/trace/header.ts";
import { replayHistories } from "../../support/golden-histories.ts";
import { bundleApplication, bundleSagas } from "../../support/saga-bench.ts";
import { unique } from "../../support/services.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const histories = (of: string) => at(`histories/${of}`);
const workflows = at("../../../workflows");
/** The file that each saga is written in. */
const sources: Readonly<Record<string, string>> = {
  checkout: `${workflows}/checkout.ts`,
  archive: at("../../../src/archive/workflows/archive-day.ts"),
};
/** In the repository, so that a bundle of it finds what it imports. */
const scratch = at(`../../../.headrace/test-sagas-${unique()}`);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const isBytes = (value: unknown) => value instanceof Uint8Array;
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** What becomes of a saga's histories when its steps are changed so. */
async function replayChanged(of: string, how: string, change: (source: string) => string) {
  const source = readFileSync(sources[of] ?? "", "utf8").replace('"../../saga/index.ts"', '"headrace/saga"');
  const changed = change(source);
  expect(changed).not.toBe(source);
  const directory = `${scratch}/${of}-${how}`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/index.ts`, changed);
  return replayHistories(histories(of), await bundleSagas(`${directory}/index.ts`));
}

describe("the recorded histories", () => {
  it.each(["checkout", "archive"])("of the %s are taken again, event by event, by the code as it is", async (of) => {
    expect(await replayHistories(histories(of), await bundleApplication())).toEqual([]);
  });

  it.each(["checkout", "archive"])(
    "of the %s are so too where their start came with a trace, and no call has carried it on",
    async (of) => {
      const directory = `${scratch}/${of}-traced`;
      mkdirSync(directory, { recursive: true });
      const fields = traceHeaders(`00-${"a".repeat(32)}-${"b".repeat(16)}-01`);
      const header = JSON.parse(JSON.stringify({ fields }, (_, value) => (isBytes(value) ? base64(value) : value)));
      for (const name of readdirSync(histories(of))) {
        const history = JSON.parse(readFileSync(`${histories(of)}/${name}`, "utf8"));
        history.events[0].workflowExecutionStartedEventAttributes.header = header;
        writeFileSync(`${directory}/${name}`, JSON.stringify(history));
      }
      expect(await replayHistories(directory, await bundleApplication())).toEqual([]);
    },
  );

  it.each<[of: string, how: string, (source: string) => string]>([
    [
      "checkout",
      "renamed",
      (source) => source.replace('.step("payment"', '.step("pay"').replace('keyOf("payment")', 'keyOf("pay")'),
    ],
    ["checkout", "removed", (source) => source.replace(/\n {2}\.then\("stock-sold"[^\n]*/, "")],
    [
      "checkout",
      "moved",
      (source) => source.replace(/(\n {2}\.then\("capture"[^\n]*)(\n {2}\.then\("stock-sold"[^\n]*)/, "$2$1"),
    ],
    ["archive", "renamed", (source) => source.replace('.pivot("drop"', '.pivot("take-out"')],
    ["archive", "removed", (source) => source.replace(/\n {2}\.read\(\n {4}"recount",[\s\S]*?\n {2}\)/, "")],
  ])("of the %s tell of a step that was %s, in a sentence with the way out", async (of, how, change) => {
    const broken = await replayChanged(of, how, change);
    expect(broken.map(({ history }) => history)).toContain("completed.json");
    expect(broken[0]?.why).toMatch(
      /no longer takes the way that it took: Nondeterminism error: .*keep its steps, their names and their order/,
    );
  });
});
