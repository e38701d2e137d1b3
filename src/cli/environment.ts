import { readFileSync } from "node:fs";
import { ConfigError } from "../core/errors.ts";
import { systemCode } from "../core/system-code.ts";
import { checkTls, type Tls } from "../core/tls.ts";

/** A variable, or the content of the file that `<variable>_FILE` names: secrets need not stand in the environment. */
export function readEnvironment(variable: string): string | undefined {
  const text = readNamed(`${variable}_FILE`);
  if (text === undefined) return process.env[variable];
  if (process.env[variable]) {
    throw new ConfigError("config.environment", `${variable} and ${variable}_FILE are both set`, {
      hint: "Unset one of them: nobody can tell which is meant.",
    });
  }
  // An editor, and `echo`, end a file with a line break that is no part of the secret.
  return text.replace(/\r?\n$/, "");
}

/** What `<prefix>_TLS_CA_FILE`, `_CERT_FILE` and `_KEY_FILE` name; `undefined` where none is set. */
export function readTls(prefix: string): Tls | undefined {
  const [ca, cert, key] = ["CA", "CERT", "KEY"].map((part) => readNamed(`${prefix}_TLS_${part}_FILE`));
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  const tls = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  checkTls(tls, prefix);
  return tls;
}

/** The content of the file that a variable names. */
function readNamed(variable: string): string | undefined {
  const file = process.env[variable];
  if (!file) return undefined;
  // Who has put the secret itself where its file should be named must not find it in a log.
  const name = /^[\w./ -]+$/.test(file) && !file.includes("//") ? `names ${file}, which` : "names a file that";
  const refuse = (what: string) =>
    new ConfigError("config.environment", `${variable} ${name} ${what}`, { hint: "Correct the path, or unset it." });
  try {
    const text = readFileSync(file, "utf8");
    if (text.trim() !== "") return text;
  } catch (error) {
    const code = systemCode(error) ?? "unknown reason";
    throw refuse(`cannot be read: ${code}`);
  }
  throw refuse("is empty");
}
