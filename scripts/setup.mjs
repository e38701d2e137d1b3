// Makes a fresh clone ready to run, with nothing but Node and npm: packages from the lockfile, dist/ from src/.
// Progress goes to stderr, so that the command that follows owns stdout.
import { nodeTooOld } from "./lib/node-version.mjs";
import { ensureReady } from "./lib/ready.mjs";

const tooOld = nodeTooOld();
if (tooOld) {
  process.stderr.write(`${tooOld}\n`);
  process.exitCode = 1;
} else {
  ensureReady().catch((error) => {
    process.stderr.write(`headrace: ${error.message}\n`);
    process.exitCode = 1;
  });
}
