import { parseTime, timeFault } from "../core/rfc3339.ts";
import { maxIdLength } from "./event-limits.ts";

/** What an event says of itself beside its data: the attributes of CloudEvents 1.0. `undefined` where it does not tell. */
export interface Attributes {
  readonly kind: "attributes";
  readonly type: string;
  readonly id: string | undefined;
  /** Milliseconds since the epoch. */
  readonly time: number | undefined;
  readonly source: string | undefined;
  readonly traceparent: string | undefined;
  readonly version: number | undefined;
}

export interface BadAttribute {
  readonly kind: "bad";
  /** A short word that counts are kept under. */
  readonly reason: "bad-id" | "bad-source" | "no-type" | "bad-time" | "bad-version";
  /** A sentence for people. */
  readonly error: string;
}

/** Reads the attributes of an event that somebody wrote by hand. One that is null is absent. */
export function readAttributes(event: Readonly<Record<string, unknown>>): Attributes | BadAttribute {
  const { id = null, type, source = null, time = null, version = null, traceparent } = event;
  if (id !== null && (typeof id !== "string" || id === "" || id.length > maxIdLength))
    return bad("bad-id", `the event's id is not a string of 1 to ${maxIdLength} characters`);
  // It is a part of the event's name: passed over, two events would become one.
  if (source !== null && typeof source !== "string") return bad("bad-source", "the event's source is not a string");
  if (typeof type !== "string" || type === "") return bad("no-type", "the event has no type");
  const at = time === null ? undefined : parseTime(time);
  if (time !== null && at === undefined) return bad("bad-time", `the event's time is refused: ${timeFault(time)}`);
  const number = version === null ? undefined : Number(version);
  if (number !== undefined && !(Number.isSafeInteger(number) && number >= 1))
    return bad("bad-version", `the event's version is not a whole number from 1 on: ${JSON.stringify(version)?.slice(0, 60)}`);
  return {
    kind: "attributes",
    type,
    id: id ?? undefined,
    time: at,
    source: source || undefined,
    traceparent: typeof traceparent === "string" ? traceparent : undefined,
    version: number,
  };
}

const bad = (reason: BadAttribute["reason"], error: string): BadAttribute => ({ kind: "bad", reason, error });
