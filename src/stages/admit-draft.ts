import type { Envelope, Fault } from "../bus/envelope.ts";
import { ConfigError, messageOf } from "../core/errors.ts";
import type { StreamPlan } from "../plan/stream.ts";
import { compileAdmission, isFault } from "./admit.ts";

/** An event that its stream's readers will take, as a producer writes it: its data in the newest version, and its partition key. */
export interface AdmittedDraft {
  readonly kind: "admitted";
  readonly version: number;
  readonly data: unknown;
  readonly key: string;
}

/**
 * Makes the gate of a stream for who sends: what its readers would refuse (a type that it does not carry, a time out of reach, data that do
 * not fit) is refused while it is known where it came from. A draft without a version is of the newest.
 */
export function compileDraftAdmission(
  stream: StreamPlan,
): (draft: Envelope, now: number) => AdmittedDraft | ({ readonly kind: "refused" } & Fault) {
  const admit = compileAdmission(stream);
  const versions = new Map(stream.events.map(({ type, version }) => [type, version]));
  return (draft, now) => {
    const newest = versions.get(draft.type) ?? 1;
    const { version = newest } = draft;
    try {
      const admitted = admit({ ...draft, version }, now);
      if (isFault(admitted)) return { kind: "refused", reason: admitted.reason, error: admitted.error };
      // Data of an older version go as what they were brought up to; those of the newest as they came, not as its schema makes them.
      return { kind: "admitted", version: newest, data: version === newest ? draft.data : admitted.data, key: admitted.key };
    } catch (error) {
      // Schemas and keys are the application's code: what they throw concerns this event alone.
      if (error instanceof ConfigError) throw error;
      return { kind: "refused", reason: "unreadable", error: `'${draft.type}' cannot be read: ${messageOf(error)}` };
    }
  };
}
