import { ConfigError } from "../../core/errors.ts";
import { shellWord } from "../../core/shell-word.ts";
import { isTimeZone } from "../../core/zone-days.ts";
import type { AppPlan, FormatPlan, StreamPlan } from "../../plan/plan.ts";
import { jsonLines } from "./json-lines.ts";

export function findStream(app: AppPlan, name: string): StreamPlan {
  const stream = app.streams.find((one) => one.name === name);
  if (!stream)
    throw new ConfigError("usage", `there is no stream '${name}'`, {
      hint: `There are ${app.streams.map((one) => one.name).join(", ")}.`,
    });
  if (stream.layout.kind === "adopted") {
    throw new ConfigError("usage", `the stream '${name}' is adopted: another program writes it`, {
      hint: `Send to a stream of your own, or write to it: redis-cli XADD ${shellWord(stream.layout.redisKey)} '*' data '{…}'`,
    });
  }
  return stream;
}

export function findFormat(app: AppPlan, name: string): FormatPlan {
  const formats = [jsonLines, ...app.formats];
  const format = formats.find((one) => one.name === name);
  if (!format)
    throw new ConfigError("usage", `there is no format '${name}'`, {
      hint: `--from takes ${formats.map((one) => one.name).join(", ")}.`,
    });
  return format;
}

export function fullYear(text: string): number {
  if (!/^[1-9]\d{3}$/.test(text))
    throw new ConfigError("usage", `--year '${text}' is not a year`, { hint: "Write it with four digits." });
  return Number(text);
}

export function checkZone(zone: string): string {
  if (isTimeZone(zone)) return zone;
  throw new ConfigError("usage", `--tz '${zone}' is no time zone`, { hint: "Write it like Europe/Berlin, or UTC." });
}

/** What `--file` and the arguments behind the stream name; standard input where they name nothing. */
export function checkFiles(files: readonly string[]): readonly string[] {
  if (files.length === 0) return ["-"];
  if (files.length > 1 && files.includes("-"))
    throw new ConfigError("usage", "standard input cannot be put in order with files", {
      hint: "Send it alone, or cat the files into it, the oldest first.",
    });
  return files;
}
