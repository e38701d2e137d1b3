import { type AppPlan, type SinkPlan, sinksOf, targetOf } from "./plan.ts";
import type { SagaPlan, SagaStepPlan } from "./saga.ts";

/** A picture of an application as data: what there is, and what flows from where to where. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export interface GraphNode {
  /** Unique, and of letters, digits, `_` and `-`. */
  readonly id: string;
  readonly kind: "stream" | "pipeline" | "table" | "workflow" | SagaStepPlan["kind"] | "undone";
  readonly label: string;
  /** The saga that a step belongs to. */
  readonly saga?: string;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** `undo`: what is undone next, when the saga is refused. */
  readonly kind: "reads" | "writes" | "starts" | "next" | "undo";
}

const idOf = (kind: string, name: string): string => `${kind}_${name.replace(/[^\w-]/g, "_")}`;

/** Draws an application, and its sagas with their steps. */
export function graphOf(app: AppPlan, sagas: readonly SagaPlan[]): Graph {
  const nodes = new Map<string, GraphNode>();
  const edges: GraphEdge[] = [];
  const add = (kind: GraphNode["kind"], label: string): string => {
    const id = idOf(kind, label);
    nodes.set(id, { id, kind, label });
    return id;
  };
  for (const { name } of app.streams) add("stream", name);
  for (const pipeline of app.pipelines) {
    const id = add("pipeline", pipeline.name);
    for (const { name } of pipeline.sources) edges.push({ from: add("stream", name), to: id, kind: "reads" });
    for (const sink of uniqueTargets(Object.values(sinksOf(pipeline)))) edges.push(edgeTo(id, sink));
  }
  for (const saga of sagas) {
    const drawn = drawSaga(saga);
    for (const node of drawn.nodes) nodes.set(node.id, node);
    edges.push(...drawn.edges);
  }
  return { nodes: [...nodes.values()], edges };

  function edgeTo(from: string, sink: SinkPlan): GraphEdge {
    switch (sink.kind) {
      case "clickhouse":
        return { from, to: add("table", sink.table.name), kind: "writes" };
      case "stream":
        return { from, to: add("stream", sink.stream.name), kind: "writes" };
      case "temporal": {
        const { call } = sink;
        if (call.kind !== "start") return { from, to: add("workflow", `${call.kind} ${call.name}`), kind: "starts" };
        const [first] = sagas.find(({ name }) => name === call.workflow)?.steps ?? [];
        return { from, to: first ? stepId(call.workflow, first.name) : add("workflow", call.workflow), kind: "starts" };
      }
      default:
        return sink satisfies never;
    }
  }
}

/** One that is written from two places is drawn once. */
const uniqueTargets = (sinks: readonly SinkPlan[]): readonly SinkPlan[] => [
  ...new Map(sinks.map((sink) => [sink.kind === "stream" ? `stream ${sink.stream.name}` : targetOf(sink), sink])).values(),
];

const stepId = (saga: string, step: string): string => idOf("step", `${saga}.${step}`).replaceAll(".", "_");

function drawSaga({ name, steps, tellsWhenUndone }: SagaPlan): Graph {
  const groups = groupsOf(steps);
  const edges: GraphEdge[] = [];
  for (const [i, group] of groups.entries()) {
    for (const from of groups[i - 1] ?? []) {
      for (const to of group) edges.push({ from: stepId(name, from.name), to: stepId(name, to.name), kind: "next" });
    }
  }
  const undone = stepId(name, "undone");
  // What can be undone, from the last to the first.
  const reversible = steps.filter(({ kind }) => kind === "step" || kind === "pivot").toReversed();
  for (const [i, step] of reversible.entries()) {
    const next = reversible[i + 1];
    edges.push({ from: stepId(name, step.name), to: next ? stepId(name, next.name) : undone, kind: "undo" });
  }
  return {
    nodes: [
      ...steps.map(
        (step): GraphNode => ({
          id: stepId(name, step.name),
          kind: step.kind,
          label: step.guarded ? `${step.name}?` : step.name,
          saga: name,
        }),
      ),
      { id: undone, kind: "undone", label: tellsWhenUndone ? "undone, and told" : "undone", saga: name },
    ],
    edges,
  };
}

function groupsOf(steps: readonly SagaStepPlan[]): SagaStepPlan[][] {
  const groups: SagaStepPlan[][] = [];
  for (const step of steps) {
    groups[step.group] ??= [];
    groups[step.group]?.push(step);
  }
  return groups.filter(Boolean);
}
