import type { Envelope, Fault } from "../bus/envelope.ts";
import { isDate } from "../core/dates.ts";
import { days, hours } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import { describeIssues } from "../core/schema-issues.ts";
import { type EventPlan, partitionKey, type StreamPlan } from "../plan/plan.ts";

/** An event that passed: what stages get. The DSL's `Event` is the typed view of it. */
export interface AdmittedEvent {
  readonly id: string;
  readonly type: string;
  readonly time: Date;
  readonly key: string;
  readonly source: string;
  readonly traceparent?: string;
  readonly data: unknown;
}

/** How far an event's time may lie from now: behind it ClickHouse would hold ever more partitions, before it lies a wrong clock. */
const maxAgeMs = days(400);
const maxAheadMs = days(1);

/** Makes the gate of a stream: type known, time in reach, data fits its schema. `now` is in milliseconds since the epoch. */
export function compileAdmission(stream: StreamPlan): (envelope: Envelope, now: number) => AdmittedEvent | Fault {
  const types = new Map<string, EventPlan>(stream.events.map((event) => [event.type, event]));
  return (envelope, now) => {
    const { id, type, time, source = stream.name, traceparent, version = 1 } = envelope;
    const plan = types.get(type);
    if (!plan)
      return {
        reason: "unknown-type",
        error: `stream '${stream.name}' carries no '${type}'; it carries ${[...types.keys()].join(", ")}`,
      };
    if (!(time >= now - maxAgeMs && time <= now + maxAheadMs)) {
      return {
        reason: "time-out-of-range",
        error: `the event's time ${isoOf(time)} is not within 400 days back and one day ahead of now`,
      };
    }
    if (stream.maxAgeMs !== undefined && time < now - stream.maxAgeMs) {
      return {
        reason: "too-old",
        error: `the event's time ${isoOf(time)} is older than stream '${stream.name}' takes: ${stream.maxAgeMs / hours(1)} hours`,
      };
    }
    if (version > plan.version)
      return { reason: "version-unknown", error: `'${type}' is of version ${version}, and this code knows ${plan.version}` };
    const data = version === plan.version || !plan.upcast ? envelope.data : upcast(envelope.data, version, plan);
    const result = plan.schema["~standard"].validate(data);
    if (result instanceof Promise) {
      throw new ConfigError("config.invalid", `event '${type}': its schema answers with a promise`, {
        hint: "Use a schema without asynchronous checks; look things up in a map stage instead.",
      });
    }
    if (result.issues) return { reason: "schema", error: `'${type}' does not fit its schema: ${describeIssues(result.issues)}` };
    const event = { id, type, time: new Date(time), key: partitionKey(plan, result.value), source, data: result.value };
    return traceparent === undefined ? event : { ...event, traceparent };
  };
}

/** Brings data up one version after the other; where there is no step, it stays as it is. */
function upcast(data: unknown, from: number, { version, upcast: steps }: EventPlan): unknown {
  let now = data;
  for (let at = from; at < version; at++) now = steps?.[at]?.(now) ?? now;
  return now;
}

export const isFault = (result: AdmittedEvent | Fault): result is Fault => "reason" in result;

const isoOf = (time: number): string => (isDate(time) ? new Date(time).toISOString() : String(time));
