import { loadScripts } from "../../redis/scripts.ts";

const names = [
  "acquire",
  "renew",
  "release",
  "read",
  "given",
  "nack",
  "states",
  "timers",
  "seen",
  "names",
  "commit",
  "append",
  "relay",
  "relayed",
  "count",
  "trim",
  "forget",
  "inspect",
  "replay-letter",
  "discard-letter",
  "reread",
] as const;
export type ScriptName = (typeof names)[number];

/** The scripts of the log. Only new events are refused while Redis is out of memory. */
export const { run: runScript, source: scriptSource } = loadScripts(new URL("./scripts/", import.meta.url), names, {
  library: "library",
  refusedWhenFull: ["append", "relay", "reread"],
});
