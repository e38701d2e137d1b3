import type { Envelope, Envelopes } from "../bus/envelope.ts";
import { EntryFields } from "../bus/fields.ts";
import { announcedEvents, decodeFrame, isFrame } from "../bus/frame.ts";
import type { Partition } from "../bus/partition.ts";
import { decodePlainEntry } from "../bus/plain-entry.ts";
import type { Entry } from "../bus/port.ts";
import { ConfigError, HeadraceError, messageOf, RetryableError } from "../core/errors.ts";
import { uuidOf } from "../core/hash.ts";
import { type PipelinePlan, type StreamPlan, sinksOf } from "../plan/plan.ts";
import { type AdmittedEvent, compileAdmission, isRefusal, type Refusal } from "../stages/admit.ts";
import { compileStages } from "../stages/compile.ts";
import type { StateDraft } from "../state/keyed-state.ts";
import { Chunk } from "./chunk.ts";

/** Takes the entries of one read through decoding, admission and the stages. */
export type Fill = (
  entries: readonly Entry[],
  { now, states }: { readonly now: number; readonly states: StateDraft },
) => Promise<Chunk>;

/**
 * Compiles what a pipeline does with the entries of one partition. A bad entry or event never holds its siblings up: it
 * becomes a dead letter with its reason. What rejects is only what concerns everyone: a RetryableError of a stage (the
 * entries are tried again) or a ConfigError (the pipeline stops).
 */
export function compileFill(pipeline: PipelinePlan, stream: StreamPlan, partition: Partition): Fill {
  const admit = compileAdmission(stream);
  const run = compileStages(pipeline);
  const derives = new Set(Object.entries(sinksOf(pipeline)).flatMap(([name, sink]) => (sink.kind === "stream" ? [name] : [])));

  const first = pipeline.stages[0];
  const fold = first?.kind === "fold" ? { name: first.name, key: first.key as (event: AdmittedEvent) => string } : undefined;

  return async (entries, { now, states }) => {
    const chunk = new Chunk(pipeline.name, derives, states);
    const read = entries.map((entry) => open(chunk, entry));
    const admitted = fold && read.map((envelopes) => admitAll(envelopes, now));
    if (fold && admitted) await states.prefetch(fold.name, keysOf(admitted.flat(), fold.key));
    for (const [i, envelopes] of read.entries()) {
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const pending = take(chunk, envelope, admitted?.[i]?.[k] ?? tryAdmit(envelope, now));
        // Awaiting what is no promise would cost a turn of the loop an event.
        if (pending) await pending;
      }
    }
    return chunk;
  };

  function admitAll(envelopes: Envelopes, now: number): readonly (AdmittedEvent | Refusal)[] {
    return Array.from({ length: envelopes.length }, (_, i) => tryAdmit(envelopes.at(i) as Envelope, now));
  }

  /** Takes one event through the stages. A promise only where a stage returned one. */
  function take(chunk: Chunk, envelope: Envelope, event: AdmittedEvent | Refusal): void | Promise<void> {
    chunk.begin(envelope);
    if (isRefusal(event)) {
      chunk.deadLetter({ stage: "admit", ...event });
      return chunk.end();
    }
    try {
      const pending = run(event, chunk);
      if (pending) return pending.catch((error) => setAside(chunk, error)).then(() => chunk.end());
    } catch (error) {
      setAside(chunk, error);
    }
    chunk.end();
  }

  function setAside(chunk: Chunk, error: unknown): void {
    if (concernsEveryone(error)) throw error;
    chunk.deadLetter({ stage: "stages", reason: "stage-failed", error: describeFailure(error) });
  }

  /** A schema or a key function is the user's code, and may throw. */
  function tryAdmit(envelope: Envelope, now: number): AdmittedEvent | Refusal {
    try {
      return admit(envelope, now);
    } catch (error) {
      if (concernsEveryone(error)) throw error;
      return { reason: "schema", error: describeFailure(error) };
    }
  }

  function open(chunk: Chunk, { id, fields }: Entry): Envelopes {
    const refuse = (events: number, letter: { reason: string; error: string; type?: string; id?: string }) => {
      const { reason, error, type = "", id: of = uuidOf(`${partition.log}\n${id}`) } = letter;
      chunk.refuseEntry(id, events, { stage: "decode", reason, error, type, eventId: of });
      return [];
    };
    if (!fields) return refuse(1, { reason: "trimmed", error: "the entry was removed from the stream before it was acked" });
    const named = new EntryFields(fields);
    for (const value of fields) chunk.bytes += value.length;
    if (!isFrame(fields)) {
      const plain = decodePlainEntry(partition.log, id, named);
      if (plain.kind === "refused") return refuse(1, plain);
      // One event is as small as its fields.
      const envelopes = [plain.envelope];
      chunk.open({ id, events: 1, alone: true, decode: () => envelopes });
      return envelopes;
    }
    try {
      const envelopes = decodeFrame(named);
      chunk.open({ id, events: envelopes.length, alone: false, decode: () => decodeFrame(named) });
      return envelopes;
    } catch (error) {
      return refuse(announcedEvents(fields[9]), { reason: "undecodable", error: messageOf(error) });
    }
  }
}

const concernsEveryone = (error: unknown): boolean => error instanceof RetryableError || error instanceof ConfigError;

/** The keys of a fold that comes first. A key function that throws is met again, and reported, when the event is folded. */
function keysOf(events: readonly (AdmittedEvent | Refusal)[], keyOf: (event: AdmittedEvent) => string): readonly string[] {
  return events.flatMap((event) => {
    if (isRefusal(event)) return [];
    try {
      return [keyOf(event)];
    } catch {
      return [];
    }
  });
}

function describeFailure(error: unknown): string {
  const name = error instanceof Error && !(error instanceof HeadraceError) ? `${error.name}: ` : "";
  return `${name}${messageOf(error)}`.slice(0, 500);
}
