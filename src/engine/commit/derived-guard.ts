import type { LimitFor } from "../../limit/limits.ts";
import { type PipelinePlan, sinksOf } from "../../plan/plan.ts";
import type { PackDerived } from "./outbox.ts";

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
