import { ConfigError } from "../core/errors.ts";
import { shellWord } from "../core/shell-word.ts";
import { firstKeyedStage } from "../plan/keyed-state.ts";
import type { AppPlan, PipelinePlan } from "../plan/plan.ts";
import { findStates } from "../state/find-states.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine } from "./output.ts";
import { openBus, type ServiceLocation } from "./services.ts";

/** `headrace state get`: what a pipeline keeps for a key, one line a stage that keeps something. */
export async function stateGet(
  name: string,
  key: string,
  { json, ...where }: ServiceLocation & { readonly json: boolean },
): Promise<number> {
  const pipeline = findKeyed(await loadApp(where.cwd), name);
  const bus = await openBus(where, createLogger());
  try {
    const found = await findStates(pipeline, key, bus);
    const lines = found.map((one) => ({ pipeline: name, key, ...one }));
    if (json) {
      if (lines.length === 0) printJson({ pipeline: name, key, state: null, timers: [], updatedAt: null });
      lines.forEach(printJson);
    } else if (lines.length === 0) printLine(`'${name}' keeps nothing for ${shellWord(key)}`);
    else for (const line of lines) printLine(sentence(line));
    return exitCodes.fine;
  } finally {
    await bus.close();
  }
}

function findKeyed({ pipelines }: AppPlan, name: string): PipelinePlan {
  const pipeline = pipelines.find((one) => one.name === name);
  if (!pipeline)
    throw new ConfigError("usage", `there is no pipeline '${name}'`, {
      hint: `There are ${pipelines.map((one) => one.name).join(", ")}.`,
    });
  if (!firstKeyedStage(pipeline)) {
    const keyed = pipelines.filter(firstKeyedStage).map((one) => one.name);
    throw new ConfigError("usage", `pipeline '${name}' keeps no states`, {
      hint: keyed.length > 0 ? `Those that do are ${keyed.join(", ")}.` : "No pipeline of this application does.",
    });
  }
  return pipeline;
}

function sentence({ stage, partition, state, timers, updatedAt }: Awaited<ReturnType<typeof findStates>>[number]): string {
  const lines = timers.map(({ timer, clock, at }) => `\n  ${timer} fires at ${at} (${clock} time)`).join("");
  return `${stage} (${partition}, ${updatedAt}): ${JSON.stringify(state, undefined, 2)}${lines}`;
}
