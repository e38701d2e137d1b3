import type { Envelope } from "../../bus/envelope.ts";
import { uuidOf } from "../../core/hash.ts";

/** An event that a pipeline makes, before it has an identity. */
export interface DerivedDraft {
  readonly type: string;
  readonly data: unknown;
  readonly time?: Date;
}

/** What an event is made of, and its place among all that is made of it. */
export interface DerivedFrom {
  readonly cause: Pick<Envelope, "id" | "time"> & { readonly traceparent?: string | undefined };
  /** The producer of the event that it is made of; `undefined` for what no single event has caused. */
  readonly by: string | undefined;
  readonly pipeline: string;
  readonly destination: string;
  readonly place: number;
}

/** Gives a derived event its identity: the same cause makes the same id, however often it is read. */
export const derive = (
  { type, data, time }: DerivedDraft,
  { cause, by, pipeline, destination, place }: DerivedFrom,
): Envelope => ({
  id: uuidOf(`${cause.id}\n${pipeline}\n${destination}\n${place}`),
  type,
  time: time?.getTime() ?? cause.time,
  source: pipeline,
  traceparent: cause.traceparent,
  data,
  by,
});
