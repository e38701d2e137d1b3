/** What was last deployed of an application, as far as what is stored depends on it, and whether this code can go on from there. */
import { type JsonSchema, jsonSchemaOf } from "../core/json-schema.ts";
import type { Finding } from "./check.ts";
import { isKeyed, type KeyedStagePlan } from "./keyed-state.ts";
import type { PipelinePlan, StreamPlan } from "./plan.ts";
import { incompatibilities } from "./schema-compatibility.ts";

/** What the states of a keyed stage follow from. */
interface StageRecord {
  readonly kind: KeyedStagePlan["kind"];
  /** By what it is, such as `window`, to what it says, such as `tumbling 300000 ms`. */
  readonly keeps: Readonly<Record<string, string>>;
  readonly version: number;
  /** What the states of a fold look like, where its schema tells. */
  readonly schema?: JsonSchema;
}

/** Stored beside the partitions that the states lie beside. An on-disk contract. */
export interface PipelineRecord {
  readonly stages: Readonly<Record<string, StageRecord>>;
  /** Stages that are gone, whose states may still be there. */
  readonly retired: readonly string[];
}

/** Stored beside the stream: its types of event. An on-disk contract. */
export interface StreamRecord {
  readonly events: Readonly<Record<string, { readonly version: number; readonly schema?: JsonSchema }>>;
}

export function recordOfPipeline({ stages, retired = [] }: PipelinePlan, before?: PipelineRecord): PipelineRecord {
  const keyed = stages.filter(isKeyed);
  const gone = new Set([...(before?.retired ?? []), ...retired]);
  return { stages: Object.fromEntries(keyed.map((stage) => [stage.name, recordOfStage(stage)])), retired: [...gone].sort() };
}

export const recordOfStream = ({ events }: StreamPlan): StreamRecord => ({
  events: Object.fromEntries(
    events.map(({ type, version, schema }) => {
      const json = jsonSchemaOf(schema);
      return [type, { version, ...(json && { schema: json }) }];
    }),
  ),
});

/**
 * What a state is made of. Left out is what a state that is there can live with: how long a fold's states or dedupe's ids are kept,
 * how late an event may be, and whether results come early.
 */
function recordOfStage(stage: KeyedStagePlan): StageRecord {
  const { kind } = stage;
  switch (stage.kind) {
    case "fold": {
      const schema = stage.schema && jsonSchemaOf(stage.schema);
      return { kind, keeps: {}, version: stage.version, ...(schema && { schema }) };
    }
    case "window": {
      const aggregates = Object.entries(stage.aggregators).map(([name, { does }]) => [`aggregate '${name}'`, does] as const);
      return { kind, keeps: { window: shapeOf(stage.shape), ...Object.fromEntries(aggregates) }, version: 1 };
    }
    case "join":
      return { kind, keeps: { before: `${stage.beforeMs} ms`, after: `${stage.afterMs} ms` }, version: 1 };
    case "dedupe":
      return { kind, keeps: {}, version: 1 };
    default:
      return stage satisfies never;
  }
}

function shapeOf(shape: Extract<KeyedStagePlan, { kind: "window" }>["shape"]): string {
  switch (shape.kind) {
    case "aligned": {
      const { sizeMs, hopMs, offsetMs } = shape;
      const from = offsetMs === 0 ? "" : `, offset ${offsetMs} ms`;
      return sizeMs === hopMs ? `tumbling, ${sizeMs} ms${from}` : `hopping, ${sizeMs} ms each ${hopMs} ms${from}`;
    }
    case "day":
      return `day, ${shape.timeZone}`;
    case "session":
      return `session, gap ${shape.gapMs} ms`;
    default:
      return shape satisfies never;
  }
}

/** What of the states that are stored this code cannot go on from. */
export function comparePipeline(pipeline: PipelinePlan, before: PipelineRecord): readonly Finding[] {
  const now = recordOfPipeline(pipeline);
  const find = (code: Finding["code"], stage: string, message: string, hint: string): Finding => ({
    code,
    where: `pipeline '${pipeline.name}', stage '${stage}'`,
    message,
    hint,
  });
  const added = Object.keys(now.stages).filter((name) => !(name in before.stages));
  return [
    ...Object.keys(before.stages)
      .filter((name) => !(name in now.stages || now.retired.includes(name)))
      .map((name) => {
        const likely = added.length > 0 ? `; new here: ${added.map((one) => `'${one}'`).join(", ")}` : "";
        const hint = `Call the stage '${name}' again to go on with its states, or give them up: pipeline("${pipeline.name}", { retired: ["${name}"] }).`;
        return find("stage-gone", name, `it keeps states where it was deployed, and is not there any more${likely}`, hint);
      }),
    ...added
      .filter((name) => before.retired.includes(name))
      .map((name) =>
        find(
          "stage-retired",
          name,
          "a stage of this name was retired, and its states may still be there",
          "Give it another name.",
        ),
      ),
    ...Object.entries(now.stages).flatMap(([name, stage]) => {
      const old = before.stages[name];
      if (!old) return [];
      const changed = changesOf(old, stage);
      const anew = `Give it a new name and give up the states of the old one: pipeline("${pipeline.name}", { retired: ["${name}"] }).`;
      if (changed.length > 0) {
        const message = `its states are of another form where it was deployed: ${changed.join("; ")}`;
        return [find("stage-changed", name, message, anew)];
      }
      return versionFindings(name, { old, stage, pipeline }).map(([message, hint]) => find("state-version", name, message, hint));
    }),
  ];
}

function changesOf(old: StageRecord, now: StageRecord): readonly string[] {
  if (old.kind !== now.kind) return [`${old.kind} → ${now.kind}`];
  const names = [...new Set([...Object.keys(old.keeps), ...Object.keys(now.keeps)])];
  return names
    .filter((name) => old.keeps[name] !== now.keeps[name])
    .map((name) => `${name}: ${old.keeps[name] ?? "not there"} → ${now.keeps[name] ?? "not there"}`);
}

function versionFindings(
  name: string,
  { old, stage, pipeline }: { readonly old: StageRecord; readonly stage: StageRecord; readonly pipeline: PipelinePlan },
): readonly (readonly [message: string, hint: string])[] {
  const plan = pipeline.stages.find((one) => one.name === name);
  const canMigrate = plan?.kind === "fold" && plan.migrate !== undefined;
  if (stage.version < old.version) {
    const message = `its states are of version ${old.version} where it was deployed, and this code knows ${stage.version}`;
    return [[message, "A newer version has run here. Deploy it again, or one that knows its states."]];
  }
  if (stage.version > old.version)
    return canMigrate
      ? []
      : [
          [
            `its states are of version ${old.version} where it was deployed, and nothing brings them to ${stage.version}`,
            "Give the stage a function 'migrate'.",
          ],
        ];
  const lines = old.schema && stage.schema ? incompatibilities(old.schema, stage.schema, "state") : [];
  if (lines.length === 0) return [];
  return [
    [
      `the schema of its states has changed under the same version ${old.version}: ${lines.join("; ")}`,
      "Raise the stage's version, and say in 'migrate' what becomes of older states.",
    ],
  ];
}

/** What was written to the stream that this code cannot read. */
export function compareStream(stream: StreamPlan, before: StreamRecord): readonly Finding[] {
  const events = new Map(stream.events.map((event) => [event.type, event]));
  const find = (type: string, message: string, hint: string): Finding => ({
    code: "schema-incompatible",
    where: `stream '${stream.name}', event '${type}'`,
    message,
    hint,
  });
  return Object.entries(before.events).flatMap(([type, old]): readonly Finding[] => {
    const event = events.get(type);
    if (!event)
      return [
        find(
          type,
          "the stream carried it where it was deployed, and does not any more",
          "Keep it under 'events': it may still be there.",
        ),
      ];
    if (event.version < old.version)
      return [
        find(
          type,
          `it is of version ${old.version} where it was deployed, and this code knows ${event.version}`,
          "A newer version has run here. Deploy it again, or one that knows its events.",
        ),
      ];
    const missing = Array.from({ length: event.version - old.version }, (_, i) => old.version + i).filter(
      (version) => !event.upcast?.[version],
    );
    if (event.version > old.version && missing.length === 0) return [];
    const now = jsonSchemaOf(event.schema);
    const lines = old.schema && now ? incompatibilities(old.schema, now, "data") : [];
    if (lines.length === 0) return [];
    const next = Math.max(event.version, old.version + 1);
    const hint = `Take what is there as well, or raise the event's version to ${next} and say in 'upcast: { ${missing[0] ?? old.version}: (data) => … }' what becomes of older ones.`;
    return [find(type, `events that are there do not fit its schema: ${lines.join("; ")}`, hint)];
  });
}
