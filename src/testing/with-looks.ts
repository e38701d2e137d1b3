import { ConfigError } from "../core/errors.ts";
import type { Pipeline } from "../dsl/pipeline.ts";
import type { StageCall } from "../plan/plan.ts";

/** Answers in place of what an `enrich` stage asks. */
export type Looks = Readonly<Record<string, (key: string, call: StageCall) => unknown>>;

/**
 * The same pipeline, whose `enrich` stages are answered by functions of the test, by the stages' names: so no other system is asked. Keys,
 * what is kept, and guards are as they were.
 *
 * @throws ConfigError `usage` where the pipeline has no `enrich` of that name
 * @example
 * ```ts
 * const places = defineTable("places", { columns: { event_id: c.uuid(), country: c.string() }, orderBy: ["event_id"] });
 * const travels = pipeline("travels")
 *   .from(logins)
 *   .enrich("country", {
 *     key: (event) => event.data.ip ?? "",
 *     look: async (ip) => (await fetch(`http://geo.internal/${ip}`)).text(),
 *     combine: (event, country) => ({ event_id: event.id, country }),
 *   })
 *   .to(clickhouse(places), (row) => row);
 * const test = testPipeline(withLooks(travels, { country: (ip) => (ip === "203.0.113.7" ? "FR" : "DE") }));
 * ```
 */
export function withLooks({ plan }: Pipeline, looks: Looks): Pipeline {
  const names = plan.stages.filter(({ kind }) => kind === "enrich").map(({ name }) => name);
  const unknown = Object.keys(looks).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError("usage", `pipeline '${plan.name}' has no enrich stage '${unknown}'`, {
      hint: names.length > 0 ? `There are ${names.join(", ")}.` : "It asks no other system.",
    });
  }
  const stages = plan.stages.map((stage) =>
    stage.kind === "enrich" ? { ...stage, look: looks[stage.name] ?? stage.look } : stage,
  );
  return { plan: { ...plan, stages } };
}
