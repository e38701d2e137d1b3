import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WorkflowHandle } from "@temporalio/client";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { Worker } from "@temporalio/worker";

/** A workflow that went on when it was recorded, and that the code as it is now would take another way. */
export interface Broken {
  readonly history: string;
  /** What it says, and what to do about it. */
  readonly why: string;
}

/** Replays recorded histories with the workflows of a bundle. Empty when each takes the way that it took. */
export async function replayHistories(directory: string, code: string): Promise<readonly Broken[]> {
  const names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  if (names.length === 0) throw new Error(`there are no histories in ${directory}`);
  const histories = names.map((name) => ({ workflowId: name, history: JSON.parse(readFileSync(join(directory, name), "utf8")) }));
  const broken: Broken[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: { code } }, histories)) {
    if (!error) continue;
    const [what = error.message] = /Nondeterminism error: [^"\\]*/.exec(error.message) ?? [];
    const why = `${workflowId} no longer takes the way that it took: ${what}. A saga that runs at a deploy would break: keep its steps, their names and their order, or run the new code under a build id of its own`;
    broken.push({ history: workflowId, why });
  }
  return broken;
}

/** Writes a history down where there is none of this name yet: it is what today's code has promised to those who run. */
export async function recordHistory(directory: string, name: string, handle: WorkflowHandle): Promise<void> {
  const path = join(directory, `${name}.json`);
  if (existsSync(path)) return;
  mkdirSync(directory, { recursive: true });
  const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()), withoutMachine);
  writeFileSync(path, `${JSON.stringify(history, undefined, 1)}\n`);
}

/** Where it was recorded is nothing that a workflow knows of. */
const withoutMachine = (name: string, value: unknown): unknown =>
  name === "identity" ? "recorder" : name === "stackTrace" ? "" : value;
