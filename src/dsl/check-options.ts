import { days } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import { isRecord } from "../core/is-record.ts";
import { isTimeZone } from "../core/zone-days.ts";
import { defaultDoor } from "../plan/door.ts";

/** What a value of an option must be. */
export interface Rule {
  readonly wants: string;
  readonly holds: (value: unknown) => boolean;
  readonly optional?: true;
}

/** The options of an object by their names. One that has options itself must have each of them that is not optional. */
export type OptionsShape = { readonly [name: string]: Rule | { readonly of: OptionsShape } };

/** Longer, and Node's timers fire at once. */
const maxMs = 2 ** 31 - 1;

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const rule = (wants: string, holds: (value: unknown) => boolean): Rule => ({ wants, holds });

export const optional = (required: Rule): Rule => ({ ...required, optional: true });
export const count = rule("a whole number from 1 on", (value) => isNumber(value) && Number.isSafeInteger(value) && value >= 1);
export const eventBytes = rule(
  "a whole number of bytes, from 1 to 262144",
  (value) => isNumber(value) && Number.isSafeInteger(value) && value >= 1 && value <= defaultDoor.maxEventBytes,
);
export const positive = rule("a number above 0", (value) => isNumber(value) && value > 0);
export const duration = rule("milliseconds, from 1 to 24 days", (value) => isNumber(value) && value >= 1 && value <= maxMs);
export const interval = rule("milliseconds, from 0 to 24 days", (value) => isNumber(value) && value >= 0 && value <= maxMs);
export const shift = rule(
  "whole milliseconds, from -24 to 24 days",
  (value) => isNumber(value) && Number.isSafeInteger(value) && Math.abs(value) <= maxMs,
);
export const age = rule("milliseconds, from 1 to 400 days", (value) => isNumber(value) && value >= 1 && value <= days(400));
export const text = rule("a text that is not empty", (value) => typeof value === "string" && value !== "");
export const flag = rule("true or false", (value) => typeof value === "boolean");
export const needed = rule("a value", (value) => value !== undefined);
export const callback = rule("a function", (value) => typeof value === "function");
export const zone = rule(
  `the name of a time zone, such as "Europe/Berlin"`,
  (value) => typeof value === "string" && isTimeZone(value),
);
export const names = rule(
  "a list of names",
  (value) => Array.isArray(value) && value.every((name) => typeof name === "string" && name !== ""),
);
export const origins = rule(
  'a list of origins such as "https://shop.example"',
  (value) => Array.isArray(value) && value.every((one) => URL.canParse(one) && new URL(one).origin === one),
);
export const sharing = rule(
  "true, false, or a name of lower-case letters, digits and hyphens",
  (value) => typeof value === "boolean" || (typeof value === "string" && /^[a-z][a-z0-9-]*$/.test(value)),
);
export const oneOf = (...values: readonly string[]): Rule =>
  rule(values.map((value) => `"${value}"`).join(" or "), (value) => values.some((one) => one === value));

/**
 * Refuses options that types cannot refuse, or that come from JavaScript: unknown names, numbers that are no numbers or too small.
 * @throws ConfigError that names the place and the option
 */
export function checkOptions(where: string, options: unknown, shape: OptionsShape): void {
  if (options === undefined) return;
  if (!isRecord(options)) throw refused(`${where} is ${shown(options)}`, `Give an object with ${list(shape)}.`);
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(shape, name));
  if (unknown !== undefined) throw refused(`${where}: there is no '${unknown}'`, `It takes ${list(shape)}.`);
  for (const [name, part] of Object.entries(shape)) {
    const value = options[name];
    if ("of" in part) {
      checkOptions(`${where}: ${name}`, value, part.of);
      if (!isRecord(value)) continue;
      for (const [inner, needed] of Object.entries(part.of)) {
        if (!("of" in needed || needed.optional) && value[inner] === undefined)
          throw refused(`${where}: ${name} has no '${inner}'`, `Give ${needed.wants}.`);
      }
    } else if (value !== undefined && !part.holds(value)) {
      throw refused(`${where}: ${name} is ${shown(value)}`, `Give ${part.wants}.`);
    }
  }
}

const refused = (message: string, hint: string): ConfigError => new ConfigError("config.invalid", message, { hint });

const shown = (value: unknown): string => (typeof value === "string" ? `"${value}"` : String(value));

function list(shape: OptionsShape): string {
  const names = Object.keys(shape);
  return names.length === 1 ? `${names[0]}` : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
