// Runs verbs of `headrace` one after the other in this one process, which loads them once: see verb-host.ts.
import Module from "node:module";
import { Readable } from "node:stream";

const { ensureReady } = await import("../../scripts/lib/ready.mjs");
await ensureReady();
const { writeStandardError } = await import("../../dist/core/standard-error.js");
const main = new URL("../../dist/cli/main.js", import.meta.url);
const emitters = [process, process.stdout];
let count = 0;

process.on("message", (asked) => void answer(asked));
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.send("ready");

/** Runs a verb, and tells how it has ended. */
async function answer({ args, env, cwd, input, mark }) {
  const before = emitters.map(listenersOf);
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(env, name)) delete process.env[name];
  Object.assign(process.env, env);
  process.chdir(cwd);
  process.argv = [process.execPath, main.pathname, ...args];
  Object.defineProperty(process, "stdin", { value: Readable.from([Buffer.from(input)]), configurable: true });
  const code = await exitCodeOf();
  for (const [i, emitter] of emitters.entries()) forgetOthers(emitter, before[i]);
  // Another verb loads the application anew, as its files and its environment are then.
  for (const path of Object.keys(Module._cache)) if (!path.includes("/node_modules/")) delete Module._cache[path];
  writeStandardError(mark);
  process.stdout.write(`${mark}${code}\n`);
}

/** Runs the verb as `node dist/cli/main.js` does, and resolves with what it would have ended with. */
function exitCodeOf() {
  return new Promise((resolve) => {
    process.exit = resolve;
    import(`${main.href}?${++count}`).catch((error) => {
      writeStandardError(`headrace: ${error.message}\n`);
      resolve(1);
    });
  });
}

function listenersOf(emitter) {
  return new Map(emitter.eventNames().map((name) => [name, emitter.rawListeners(name)]));
}

function forgetOthers(emitter, known) {
  for (const name of emitter.eventNames()) {
    for (const listener of emitter.rawListeners(name)) {
      if (known.get(name)?.includes(listener) !== true) emitter.removeListener(name, listener);
    }
  }
}
