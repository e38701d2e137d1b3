import { writeFileSync } from "node:fs";

/** Writes what TSTyche found as JSON to the file that HEADRACE_TSTYCHE_REPORT names: type-tests.mjs adds it up. */
export default class JsonReporter {
  #skipped = [];

  on([event, payload]) {
    if (event === "test:skip" || event === "test:todo" || event === "test:fixme") this.#skipped.push(payload.result.test.name);
    if (event !== "run:end") return;
    const { testCounts: tests, suppressedCounts: suppressed, fileCounts: files } = payload.result;
    writeFileSync(process.env.HEADRACE_TSTYCHE_REPORT, JSON.stringify({ tests, suppressed, files, skipped: this.#skipped }));
  }
}
