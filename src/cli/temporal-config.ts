import { ConfigError } from "../core/errors.ts";
import { readEnvironment } from "./environment.ts";

/** Temporal's own variables and configuration file (address, namespace, TLS, API key); where they name no server, that of `ofStack`. */
export async function readTemporalConfig(ofStack: () => string) {
  const { connectionOptions, namespace } = await load();
  // Whoever names a profile means its server; one that just lies in the home directory must not win over the stack.
  const { TEMPORAL_ADDRESS, TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE } = process.env;
  const isNamed = TEMPORAL_ADDRESS || TEMPORAL_CONFIG_FILE || TEMPORAL_PROFILE;
  const address = (isNamed ? connectionOptions.address : undefined) ?? ofStack();
  checkAddress(address);
  // gRPC would refuse them too, and print them.
  checkHeader("TEMPORAL_API_KEY", connectionOptions.apiKey);
  for (const [name, value] of Object.entries(connectionOptions.metadata ?? {}))
    checkHeader(`TEMPORAL_GRPC_META_${name.toUpperCase()}`, value);
  return { options: { ...connectionOptions, address }, namespace };
}

async function load() {
  const { loadClientConnectConfig } = await import("@temporalio/envconfig");
  // An empty variable is one that is not set, as with ours; Temporal would take it for an empty address.
  const set = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])));
  for (const name of ["TEMPORAL_ADDRESS", "TEMPORAL_API_KEY"]) {
    const value = readEnvironment(name);
    if (value) set[name] = value;
  }
  try {
    return loadClientConnectConfig({ overrideEnvVars: set });
  } catch (error) {
    // Behind its first line an error of the file's syntax quotes the file, keys and all.
    const [reason] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new ConfigError("config.environment", `Temporal's configuration cannot be read: ${reason}`, {
      hint: "Correct the file that TEMPORAL_CONFIG_FILE names, or the TEMPORAL_ variables.",
    });
  }
}

function checkAddress(address: string): void {
  if (/^(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(address)) return;
  throw new ConfigError("config.environment", "the address of Temporal cannot be read: it is more than a host and a port", {
    hint: "TEMPORAL_ADDRESS looks like host:7233; an API key is given by TEMPORAL_API_KEY.",
  });
}

function checkHeader(name: string, value: unknown): void {
  if (value === undefined || /^[ -~]*$/.test(String(value))) return;
  throw new ConfigError("config.environment", `${name} holds a line break, or another character that a header cannot carry`, {
    hint: "Set it anew, without what stands behind its last character.",
  });
}
