import { parseDuration } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";

const hint = "Write it like 2026-11-24T10:00:00Z, or like 2h.";

/** The value of an option that takes an ISO time or how long ago it was, in milliseconds since the epoch. */
export function parseWhen(option: string, text: string): number {
  if (/^\d{4}-/.test(text)) {
    const at = Date.parse(text);
    if (Number.isNaN(at)) throw new ConfigError("usage", `${option} '${text}' is not a time`, { hint });
    return at;
  }
  try {
    return Date.now() - parseDuration(text);
  } catch (error) {
    throw new ConfigError("usage", `${option} '${text}' is neither a time nor a duration`, { cause: error, hint });
  }
}
