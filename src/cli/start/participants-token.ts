import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { systemCode } from "../../core/system-code.ts";
import { readEnvironment } from "../environment.ts";
import type { ServiceLocation } from "../services.ts";

const variable = "HEADRACE_PARTICIPANTS_TOKEN";

/**
 * What participants and their callers know alike: `HEADRACE_PARTICIPANTS_TOKEN`. Where it is not set, what the processes of one
 * machine find in their state directory; the first of them puts it there. `undefined` where there is no room for one.
 */
export function participantsToken({ cwd, dir }: ServiceLocation): string | undefined {
  const given = givenToken();
  if (given) return given;
  const folder = resolve(cwd, dir);
  const path = join(folder, "participants-token");
  const beside = `${path}.${process.pid}`;
  try {
    const found = read(path);
    if (found) return found;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(beside, randomBytes(32).toString("base64url"), { mode: 0o600 });
    // Whoever comes second finds that of the first.
    linkSync(beside, path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") return undefined;
  } finally {
    rmSync(beside, { force: true });
  }
  return read(path);
}

/** That of the environment, which machines can share. */
export function givenToken(): string | undefined {
  const token = readEnvironment(variable) || undefined;
  if (token === undefined || /^[!-~]+$/.test(token)) return token;
  throw new ConfigError("config.environment", `${variable} holds a character that a header cannot carry`, {
    hint: "Make one with 'openssl rand -hex 32'.",
  });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim() || undefined;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
