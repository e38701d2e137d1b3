// `npm run test:types`: the part of `npm test` that is about types alone.
import { runParts, typeParts } from "./lib/type-tests.mjs";

await runParts(typeParts);
