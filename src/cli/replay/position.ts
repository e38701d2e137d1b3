import { parseDuration } from "../../core/duration.ts";
import { ConfigError } from "../../core/errors.ts";
import { parseWhen } from "../when.ts";

/** Where reading begins again: with what was stored at a time or later, or with an entry of one partition or of each. */
export type Position =
  | { readonly kind: "time"; readonly atMs: number }
  | { readonly kind: "entry"; readonly entry: string; readonly partition: string | undefined };

const entryId = /^(?:(?<partition>.+):)?(?<entry>\d{1,20}-\d{1,20}|0)$/;
const largest = 2n ** 64n - 1n;

/** Parses `2026-11-24T10:00:00Z`, `2h`, `1795600000000-0`, `logins/07:1795600000000-0` or `0`, the beginning. */
export function parsePosition(text: string): Position {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) return { kind: "time", atMs: parseWhen("--from", text) };
  const { partition, entry } = entryId.exec(text)?.groups ?? {};
  // A month is no day to begin on, and hardly the id of an entry.
  if (entry !== undefined && !/^\d{4}-\d{2}$/.test(text) && entry.split("-").every((part) => BigInt(part) <= largest)) {
    return { kind: "entry", entry: entry === "0" ? "0-0" : entry, partition };
  }
  return { kind: "time", atMs: agoOf(text) };
}

function agoOf(text: string): number {
  try {
    return Date.now() - parseDuration(text);
  } catch (error) {
    throw new ConfigError("usage", `--from '${text}' is neither a time nor a position`, {
      cause: error,
      hint: "Write it like 2026-11-24T10:00:00Z, 2h, 1795600000000-0, logins/07:1795600000000-0, or 0 for the beginning.",
    });
  }
}
