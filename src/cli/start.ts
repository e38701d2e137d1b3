import { ConfigError } from "../core/errors.ts";
import { parseFaults } from "../participant/faults.ts";
import { onStop } from "./interrupt.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { printJson, say } from "./output.ts";
import type { Whereabouts } from "./services.ts";
import { announce, newInstance } from "./start/announce.ts";
import { participantsRole } from "./start/participants-role.ts";
import type { ReadyRole, Role } from "./start/role.ts";
import { parseSagaFlags, type SagaFlags } from "./start/saga-options.ts";
import { sagaRole } from "./start/saga-role.ts";
import { workerRole } from "./start/worker-role.ts";

const roles: Readonly<Record<string, Role>> = { worker: workerRole, saga: sagaRole, participants: participantsRole };

export interface StartOptions extends Whereabouts, SagaFlags {
  readonly role: string;
  readonly pipelines?: string | undefined;
  readonly stateCacheMb: string;
  readonly fault?: string | undefined;
  readonly json: boolean;
}

/** `headrace start`: the processes of the application, until SIGTERM or SIGINT; a second signal ends at once. */
export async function startVerb(options: StartOptions): Promise<number> {
  const names = options.role === "all" ? Object.keys(roles) : [...new Set(splitList(options.role))];
  const unknown = names.find((name) => !(name in roles));
  if (unknown !== undefined || names.length === 0) {
    throw new ConfigError("usage", `there is no role '${unknown ?? ""}'`, {
      hint: `There are ${Object.keys(roles).join(", ")} and all.`,
    });
  }
  const stateCacheBytes = wholeNumber("--state-cache-mb", options.stateCacheMb) * 1024 * 1024;
  const sagas = parseSagaFlags(options, process.env);
  const faults = parseFaults(options.fault ?? "");
  const logger = createLogger();
  const { signal, abort, exitCode } = onStop();
  const whole = await loadApp(options.cwd);
  const app = { ...whole, pipelines: pick(whole.pipelines, options.pipelines) };
  const others = whole.pipelines.filter((one) => !app.pipelines.includes(one));
  const instance = newInstance();
  const ready: ReadyRole[] = [];
  const context = { app, others, instance, stateCacheBytes, faults, sagas, logger, where: options };
  for (const name of names) ready.push(await (roles[name] as Role)(context));

  const addresses: Readonly<Record<string, string>> = Object.assign({}, ...ready.map((role) => role.addresses));
  const announced = await announce({ instance, roles: names, addresses, logger, where: options }, signal);
  const running = ready.map((role) =>
    role.run(signal, announced.presence).catch((error) => {
      abort();
      throw error;
    }),
  );
  if (signal.aborted) say("Stopping.");
  else if (options.json)
    printJson({
      ready: true,
      roles: names,
      instance,
      pid: process.pid,
      ...(addresses["metrics"] && { metrics: addresses["metrics"] }),
    });
  else say(`Running ${names.join(", ")} as ${instance}. Ctrl-C stops.`);
  const ended = await Promise.allSettled(running);
  await announced.close();
  const failed = ended.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return exitCode();
}

function pick<Named extends { readonly name: string }>(all: readonly Named[], wanted: string | undefined): readonly Named[] {
  if (wanted === undefined) return all;
  const names = [...new Set(splitList(wanted))];
  if (names.length === 0)
    throw new ConfigError("usage", "--pipelines names no pipeline", {
      hint: `There are ${all.map((one) => one.name).join(", ")}.`,
    });
  return names.map((name) => {
    const found = all.find((one) => one.name === name);
    if (!found)
      throw new ConfigError("usage", `there is no pipeline '${name}'`, {
        hint: `There are ${all.map((one) => one.name).join(", ")}.`,
      });
    return found;
  });
}

const splitList = (text: string): readonly string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
