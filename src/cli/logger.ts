import { pino } from "pino";
import { ConfigError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { writeStandardError } from "../core/standard-error.ts";
import { printable } from "./printable.ts";

const levels = ["debug", "info", "warn", "error"] as const;

/** Logs to standard error: lines for people on a terminal, JSON elsewhere. `LOG_LEVEL` says from where on. */
export function createLogger(): Logger {
  const level = process.env.LOG_LEVEL || "info";
  if (!levels.some((one) => one === level)) {
    throw new ConfigError("config.environment", `LOG_LEVEL is '${level}', which is no level`, {
      hint: `Use ${levels.join(", ")}.`,
    });
  }
  const write = process.stderr.isTTY ? (line: string) => writeStandardError(forPeople(line)) : writeStandardError;
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // A driver's error may hold what it was configured with, password and all: of an error its message is logged.
      serializers: { error: sentence, err: sentence },
    },
    { write },
  );
}

const sentence = (error: unknown): unknown => (error instanceof Error ? messageOf(error) : error);

function forPeople(line: string): string {
  const { level, time, msg, ...fields }: Record<string, unknown> = JSON.parse(line);
  const rest = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${printable(`${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${[msg, ...rest].join("  ")}`)}\n`;
}
