import { ConfigError } from "../core/errors.ts";

/** The value of an option that takes a count. */
export function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text))
    throw new ConfigError("usage", `${option} '${text}' is not a whole number above 0`, { hint: "Write digits only." });
  return Number(text);
}
