import { randomUUID } from "node:crypto";
import { type Attributes, readAttributes } from "../bus/attributes.ts";
import type { Envelope, Fault } from "../bus/envelope.ts";
import { ConfigError, messageOf } from "../core/errors.ts";
import { eventId } from "../core/hash.ts";
import type { StreamPlan } from "../plan/stream.ts";
import { compileAdmission, isFault } from "../stages/admit.ts";
import type { Opened } from "./opened.ts";

/** An event that may be stored, or why it may not. `id`: what its sender calls it, or the one that it was given here. */
export type Intake =
  | { readonly kind: "event"; readonly id: string; readonly envelope: Envelope; readonly key: string }
  | ({ readonly kind: "refused"; readonly id: string | undefined } & Fault);

/**
 * Makes the gate of a stream: what its readers would refuse (a type that it does not carry, a time out of reach, data that do not fit) is
 * refused here, while its sender listens. An event without an id gets one, and one without a time has happened now.
 */
export function compileIntake(stream: StreamPlan): (opened: Opened, now: number) => Intake {
  const admit = compileAdmission(stream);
  const newest = new Map(stream.events.map(({ type, version }) => [type, version]));

  const take = (id: string, { type, time, source, traceparent, version }: Attributes, data: unknown, now: number): Intake => {
    const current = newest.get(type) ?? 1;
    const envelope = { id: eventId(id, source), type, time: time ?? now, source, traceparent, version: version ?? current, data };
    const admitted = admit(envelope, now);
    if (isFault(admitted)) return { kind: "refused", id, reason: admitted.reason, error: admitted.error };
    // Producers write the newest version: data of an older one go as what they were brought up to.
    const written = envelope.version === current ? envelope : { ...envelope, version: current, data: admitted.data };
    return { kind: "event", id, envelope: written, key: admitted.key };
  };

  return (opened, now) => {
    if (opened.kind === "refused") return { ...opened, id: undefined };
    const { event } = opened;
    const read = readAttributes(event);
    if (read.kind === "bad") return { kind: "refused", id: textOf(event["id"]), reason: read.reason, error: read.error };
    const id = read.id ?? randomUUID();
    try {
      return take(id, read, event["data"], now);
    } catch (error) {
      // Schemas and keys are the application's code: what they throw concerns this event alone.
      if (error instanceof ConfigError) throw error;
      return { kind: "refused", id, reason: "unreadable", error: `'${read.type}' cannot be read: ${messageOf(error)}` };
    }
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value.slice(0, 128) : undefined);
