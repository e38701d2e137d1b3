import { randomBytes } from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "./state-file.ts";

/** What lets into the services of a stack: one password for all of them, and the files that tell it to them. */
export interface StackPassword {
  readonly value: string;
  readonly file: string;
  /** Redis reads it from here: on a command line every user of the machine could read it. */
  readonly redisConfig: string;
}

/**
 * The password of a state directory, in files that only its owner reads. Made at the first start on the directory, and kept: what was
 * noted down goes on working.
 */
export function openPassword(dir: string): StackPassword {
  const file = join(dir, "password");
  const redisConfig = join(dir, "redis.conf");
  const value = readPassword(file) ?? randomBytes(24).toString("hex");
  writePrivate(file, `${value}\n`);
  writePrivate(redisConfig, `requirepass ${value}\n`);
  return { value, file, redisConfig };
}

/** Undefined where there is none, or a half-written one. */
function readPassword(file: string): string | undefined {
  try {
    chmodSync(file, 0o600);
    return /^([0-9a-f]{48})\n$/.exec(readFileSync(file, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
