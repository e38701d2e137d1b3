import { type Envelope, envelopeJson } from "../../bus/envelope.ts";
import { halved, isTooDeep, maxEventBytes, tooDeep, tooLarge } from "../../bus/event-limits.ts";
import { encodeFrame, frameLimits } from "../../bus/frame.ts";
import { type Partition, partitionIndex, partitionsOf } from "../../bus/partition.ts";
import type { DerivedFrame } from "../../bus/port.ts";
import { at } from "../../core/at.ts";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { isHalved, mayBeHalved } from "../../core/half-character.ts";
import type { LimitFor } from "../../limit/limits.ts";
import { type PipelinePlan, type StreamPlan, sinksOf } from "../../plan/plan.ts";
import type { Rejected } from "../../sinks/port.ts";
import { compileAdmission, isFault } from "../../stages/admit.ts";

export interface Packed {
  readonly frames: readonly DerivedFrame[];
  readonly rejected: readonly Rejected[];
}

/** Packs derived events into frames for the partitions of their keys, and refuses those that their stream does not take. */
export type PackDerived = (destination: string, envelopes: readonly Envelope[], now: number) => Packed | Promise<Packed>;

interface Open {
  envelopes: Envelope[];
  bytes: number;
}

/** The frames go into the commit that settles what the events were made of: so each is stored once, whatever crashes. */
export function compilePacking(pipeline: PipelinePlan): (...derived: Parameters<PackDerived>) => Packed {
  const streams = new Map(
    Object.entries(sinksOf(pipeline)).flatMap(([name, sink]) =>
      sink.kind === "stream" ? [[name, open(sink.stream)] as const] : [],
    ),
  );

  return (destination, envelopes, now) => {
    const stream = streams.get(destination);
    if (!stream) throw new Error(`no stream '${destination}'`);
    const { partitions, admit, versions } = stream;
    const frames: DerivedFrame[] = [];
    const rejected: Rejected[] = [];
    const byPartition = new Map<Partition, Open>();
    for (const [row, derived] of envelopes.entries()) {
      // What this code makes is of the version that it knows.
      const envelope = versions ? { ...derived, version: versions.get(derived.type) } : derived;
      const taken = takes(envelope);
      if (taken.kind === "refused") {
        rejected.push({ row, reason: taken.reason });
        continue;
      }
      const to = at(partitions, partitionIndex(taken.key, partitions.length));
      const frame = byPartition.get(to) ?? { envelopes: [], bytes: 0 };
      byPartition.set(to, frame);
      if (frame.envelopes.length >= frameLimits.maxEvents || frame.bytes + taken.bytes > frameLimits.maxBytes) seal(to, frame);
      frame.envelopes.push(envelope);
      frame.bytes += taken.bytes;
    }
    for (const [to, frame] of byPartition) seal(to, frame);
    return { frames, rejected };

    function seal(to: Partition, frame: Open): void {
      if (frame.envelopes.length > 0) frames.push({ to, frame: encodeFrame(frame.envelopes) });
      frame.envelopes = [];
      frame.bytes = 0;
    }

    function takes(envelope: Envelope) {
      try {
        const event = admit(envelope, now);
        if (isFault(event)) return { kind: "refused", reason: `${event.reason}: ${event.error}` } as const;
        const json = envelopeJson(envelope);
        const bytes = Buffer.byteLength(json);
        if (bytes > maxEventBytes) return { kind: "refused", reason: tooLarge(bytes) } as const;
        if (isTooDeep(json)) return { kind: "refused", reason: tooDeep } as const;
        if (mayBeHalved(json) && isHalved(JSON.parse(json))) return { kind: "refused", reason: halved } as const;
        return { kind: "taken", key: event.key, bytes } as const;
      } catch (error) {
        if (error instanceof ConfigError) throw error;
        return { kind: "refused", reason: messageOf(error) } as const;
      }
    }
  };
}

/**
 * Holds derived events back until the limit of their stream lets them through: before the commit, so that nothing more is read
 * meanwhile, instead of piling up in the outbox.
 */
export function pacedPacking(
  pack: PackDerived,
  { pipeline, limitFor, stop }: { readonly pipeline: PipelinePlan; readonly limitFor: LimitFor; readonly stop: AbortSignal },
): PackDerived {
  const limits = new Map(
    Object.entries(sinksOf(pipeline)).flatMap(([name, { kind, guards }]) =>
      kind === "stream" && guards?.rateLimit
        ? [[name, limitFor(guards.rateLimit, `sink:${pipeline.name}/${name}`)] as const]
        : [],
    ),
  );
  if (limits.size === 0) return pack;
  return async (destination, envelopes, now) => {
    const limit = limits.get(destination);
    await limit?.take(envelopes.length, stop);
    // What was not let through is left to the next owner.
    if (limit) stop.throwIfAborted();
    return pack(destination, envelopes, now);
  };
}

const open = (stream: StreamPlan) => ({
  partitions: partitionsOf(stream),
  admit: compileAdmission(stream),
  /** By type; none where all are of version 1, as is what tells none. */
  versions: stream.events.some(({ version }) => version > 1)
    ? new Map(stream.events.map(({ type, version }) => [type, version]))
    : undefined,
});
