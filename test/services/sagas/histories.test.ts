import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { replayHistories } from "../../support/golden-histories.ts";
import { bundleSagas } from "../../support/saga-bench.ts";
import { unique } from "../../support/services.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const histories = at("histories");
const workflows = at("../../../workflows");
/** In the repository, so that a bundle of it finds what it imports. */
const scratch = at(`../../../.headrace/test-sagas-${unique()}`);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What becomes of the histories when the checkout is changed so. */
async function replayChanged(name: string, change: (source: string) => string) {
  const source = readFileSync(`${workflows}/checkout.ts`, "utf8");
  const changed = change(source);
  expect(changed).not.toBe(source);
  mkdirSync(`${scratch}/${name}`, { recursive: true });
  writeFileSync(`${scratch}/${name}/index.ts`, changed);
  return replayHistories(histories, await bundleSagas(`${scratch}/${name}/index.ts`));
}

describe("the recorded histories of the checkout", () => {
  it("are taken again, event by event, by the code as it is", async () => {
    expect(await replayHistories(histories, await bundleSagas(`${workflows}/index.ts`))).toEqual([]);
  });

  it.each<[string, (source: string) => string]>([
    ["renamed", (source) => source.replace('.step("payment"', '.step("pay"').replace('keyOf("payment")', 'keyOf("pay")')],
    ["removed", (source) => source.replace(/\n {2}\.then\("stock-sold"[^\n]*/, "")],
    ["moved", (source) => source.replace(/(\n {2}\.then\("capture"[^\n]*)(\n {2}\.then\("stock-sold"[^\n]*)/, "$2$1")],
  ])("tell of a step that was %s, in a sentence with the way out", async (name, change) => {
    const broken = await replayChanged(name, change);
    expect(broken.map(({ history }) => history)).toContain("checkout-completed.json");
    expect(broken[0]?.why).toMatch(
      /no longer takes the way that it took: Nondeterminism error: .*keep its steps, their names and their order/,
    );
  });
});
