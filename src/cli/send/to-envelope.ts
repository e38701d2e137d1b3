import type { Envelope } from "../../bus/envelope.ts";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { eventId } from "../../core/hash.ts";
import type { LineEvent, StreamPlan } from "../../plan/plan.ts";
import { compileAdmission, isFault } from "../../stages/admit.ts";

export type Drafted =
  | { readonly kind: "event"; readonly envelope: Envelope }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Makes envelopes of what a format read. What the stream's readers would refuse (a type that it does not carry, a time out of reach,
 * data that do not fit) is refused here, while it is known which line it came from.
 */
export function draftEnvelopes(stream: StreamPlan): (event: LineEvent, source: string | undefined, now: number) => Drafted {
  const admit = compileAdmission(stream);
  const versions = new Map(stream.events.map(({ type, version }) => [type, version]));
  return (event, source, now) => {
    const fault = faultOf(event);
    if (fault !== undefined) return { kind: "refused", reason: fault };
    const { id, type, time, data, traceparent } = event;
    const newest = versions.get(type);
    if (newest === undefined) return { kind: "refused", reason: `stream '${stream.name}' carries no '${type}'` };
    const { version = newest } = event;
    const envelope = {
      id: eventId(id, event.source),
      type,
      time: time.getTime(),
      source: event.source ?? source,
      traceparent,
      data,
    };
    try {
      const admitted = admit({ ...envelope, version }, now);
      if (isFault(admitted)) return { kind: "refused", reason: admitted.error };
      // Producers write the newest version: data of an older one goes as what it was brought up to.
      return { kind: "event", envelope: version === newest ? envelope : { ...envelope, data: admitted.data } };
    } catch (error) {
      // Schemas and keys are the application's code: what they throw concerns this event alone.
      if (error instanceof ConfigError) throw error;
      return { kind: "refused", reason: `'${type}' cannot be read: ${messageOf(error)}` };
    }
  };
}

/** Formats are the application's code: what they hand over may not be what its type says. */
function faultOf({ id, type, time, data, source, traceparent, version }: LineEvent): string | undefined {
  if (typeof id !== "string" || id === "" || id.length > 128) return "the event's id is not a string of 1 to 128 characters";
  if (typeof type !== "string" || type === "") return "the event has no type";
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) return `'${type}' has no valid time`;
  if (typeof data !== "object" || data === null) return `'${type}' has no object 'data'`;
  if (source !== undefined && typeof source !== "string") return "the event's source is not a string";
  if (traceparent !== undefined && typeof traceparent !== "string") return "the event's traceparent is not a string";
  if (version !== undefined && (!Number.isSafeInteger(version) || version < 1))
    return "the event's version is not a whole number from 1 on";
  return undefined;
}
