import { ConfigError } from "../core/errors.ts";
import { parseFaults } from "../participant/faults.ts";
import { onStop } from "./interrupt.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { printJson, say } from "./output.ts";
import type { Whereabouts } from "./services.ts";
import { announce, newInstance } from "./start/announce.ts";
import type { ReadyRole } from "./start/role.ts";
import { parseRoles, rolesOfProject } from "./start/roles.ts";
import { parseSagaFlags, type SagaFlags } from "./start/saga-options.ts";

export interface StartOptions extends Whereabouts, SagaFlags {
  /** What to run, by commas; all that the project has where it is left out. */
  readonly role?: string | undefined;
  readonly pipelines?: string | undefined;
  readonly stateCacheMb: string;
  readonly fault?: string | undefined;
  readonly json: boolean;
}

/** `headrace start`: the processes of the application, until SIGTERM or SIGINT; a second signal ends at once. */
export async function startVerb(options: StartOptions): Promise<number> {
  const named = parseRoles(options.role === undefined ? undefined : [...new Set(splitList(options.role))]);
  const stateCacheBytes = wholeNumber("--state-cache-mb", options.stateCacheMb) * 1024 * 1024;
  const sagas = parseSagaFlags(options, process.env);
  const faults = parseFaults(options.fault ?? "");
  const logger = createLogger();
  const { signal, abort, exitCode } = onStop();
  const whole = await loadApp(options.cwd);
  const app = { ...whole, pipelines: pick(whole.pipelines, options.pipelines) };
  const others = whole.pipelines.filter((one) => !app.pipelines.includes(one));
  const roles = named ?? (await rolesOfProject(app, options.cwd));
  const names = roles.map(([name]) => name);
  const instance = newInstance();
  const ready: ReadyRole[] = [];
  const context = { app, others, instance, stateCacheBytes, faults, sagas, logger, where: options };
  for (const [, role] of roles) ready.push(await role(context));

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
