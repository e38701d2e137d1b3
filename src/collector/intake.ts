import { randomUUID } from "node:crypto";
import { readAttributes } from "../bus/attributes.ts";
import type { Envelope, Fault } from "../bus/envelope.ts";
import { eventId } from "../core/hash.ts";
import type { StreamPlan } from "../plan/stream.ts";
import { compileDraftAdmission } from "../stages/admit-draft.ts";
import type { Opened } from "./opened.ts";

/** An event that may be stored, or why it may not. `id`: what its sender calls it, or the one that it was given here. */
export type Intake =
  | { readonly kind: "event"; readonly id: string; readonly envelope: Envelope; readonly key: string }
  | ({ readonly kind: "refused"; readonly id: string | undefined } & Fault);

/**
 * Makes events of what requests hold, and looks each over while its sender listens. One without an id gets one, and one without a time has
 * happened now.
 */
export function compileIntake(stream: StreamPlan): (opened: Opened, now: number) => Intake {
  const admit = compileDraftAdmission(stream);
  return (opened, now) => {
    if (opened.kind === "refused") return { ...opened, id: undefined };
    const { event } = opened;
    const read = readAttributes(event);
    if (read.kind === "bad") return { kind: "refused", id: textOf(event["id"]), reason: read.reason, error: read.error };
    const { id = randomUUID(), type, time = now, source, traceparent, version } = read;
    const draft = { id: eventId(id, source), type, time, source, traceparent, version, data: event["data"] };
    const admitted = admit(draft, now);
    if (admitted.kind === "refused") return { ...admitted, id };
    return { kind: "event", id, envelope: { ...draft, version: admitted.version, data: admitted.data }, key: admitted.key };
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value.slice(0, 128) : undefined);
