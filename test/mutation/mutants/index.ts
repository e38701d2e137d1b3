import type { Mutant } from "../mutant.ts";
import { archiveVerification } from "./archive.ts";
import { bisection } from "./bisection.ts";
import { chaosSuite } from "./chaos-suite.ts";
import { commitScripts } from "./commit-scripts.ts";
import { theDoor } from "./door.ts";
import { engine } from "./engine.ts";
import { goingBack } from "./going-back.ts";
import { stageGuards } from "./guards.ts";
import { insertSettings } from "./insert-settings.ts";
import { windowsAndJoin } from "./windows.ts";

export const mutants: readonly Mutant[] = [
  ...commitScripts,
  ...goingBack,
  ...engine,
  ...windowsAndJoin,
  ...stageGuards,
  ...bisection,
  ...archiveVerification,
  ...insertSettings,
  ...theDoor,
  ...chaosSuite,
];
