import { readFileSync } from "node:fs";
import { ConfigError } from "../core/errors.ts";

/** A variable, or the content of the file that `<variable>_FILE` names: secrets need not stand in the environment. */
export function readEnvironment(variable: string): string | undefined {
  const file = process.env[`${variable}_FILE`];
  if (process.env[variable] || !file) return process.env[variable];
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    // Who has put the secret itself where its file should be named must not find it in a log.
    const name = /^[\w./ -]+$/.test(file) && !file.includes("//") ? `names ${file}, which` : "names a file that";
    const { code = "unknown reason" } = error as NodeJS.ErrnoException;
    throw new ConfigError("config.environment", `${variable}_FILE ${name} cannot be read: ${code}`, {
      hint: "Correct the path, or unset it.",
    });
  }
}
