// `npm test`: types, type tests, then every other test. The last line is `N passed, N failed`, over all of them.
// Arguments go to vitest: `npm test -- test/unit/core`, `npm test -- -t "a sentence"`.
import { runParts, typeParts } from "./lib/type-tests.mjs";
import { runVitest } from "./lib/vitest.mjs";

await runParts([...typeParts, { name: "tests", run: () => runVitest(process.argv.slice(2)) }]);
