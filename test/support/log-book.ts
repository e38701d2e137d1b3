import type { Logger } from "../../src/core/log.ts";

/** A logger that keeps what it was told, as `level: text`. */
export function logBook(): { readonly logger: Logger; readonly lines: readonly string[] } {
  const lines: string[] = [];
  const write = (level: string) => (_: object, text: string) => void lines.push(`${level}: ${text}`);
  return { logger: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") }, lines };
}
