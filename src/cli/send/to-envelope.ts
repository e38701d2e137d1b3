import type { Envelope } from "../../bus/envelope.ts";
import { eventId } from "../../core/hash.ts";
import type { LineEvent, StreamPlan } from "../../plan/plan.ts";
import { compileDraftAdmission } from "../../stages/admit-draft.ts";

export type Drafted =
  | { readonly kind: "event"; readonly envelope: Envelope }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Makes envelopes of what a format read. What the stream's readers would refuse (a type that it does not carry, a time out of reach,
 * data that do not fit) is refused here, while it is known which line it came from.
 */
export function draftEnvelopes(stream: StreamPlan): (event: LineEvent, source: string | undefined, now: number) => Drafted {
  const admit = compileDraftAdmission(stream);
  const types = new Set(stream.events.map(({ type }) => type));
  return (event, source, now) => {
    const fault = faultOf(event);
    if (fault !== undefined) return { kind: "refused", reason: fault };
    const { id, type, time, data, traceparent } = event;
    if (!types.has(type)) return { kind: "refused", reason: `stream '${stream.name}' carries no '${type}'` };
    const envelope = {
      id: eventId(id, event.source),
      type,
      time: time.getTime(),
      source: event.source ?? source,
      traceparent,
      data,
    };
    const admitted = admit({ ...envelope, version: event.version }, now);
    if (admitted.kind === "refused") return { kind: "refused", reason: admitted.error };
    return { kind: "event", envelope: { ...envelope, data: admitted.data } };
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
