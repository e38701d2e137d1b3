import { ConfigError } from "../core/errors.ts";

/** The value of an option that takes a count. */
export function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text))
    throw new ConfigError("usage", `${option} '${text}' is not a whole number above 0`, { hint: "Write digits only." });
  return Number(text);
}

/** The value of an option that takes a port. */
export function portNumber(option: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new ConfigError("usage", `${option} '${text}' is no port`, { hint: "Write a number up to 65535; 0 takes a free one." });
  return Number(text);
}
