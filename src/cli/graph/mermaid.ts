import type { Graph, GraphEdge, GraphNode } from "../../plan/graph.ts";

/** How each kind is drawn, around its label. */
const shapes: Readonly<Record<GraphNode["kind"], readonly [open: string, close: string]>> = {
  stream: ["[[", "]]"],
  pipeline: ["([", "])"],
  table: ["[(", ")]"],
  workflow: ["[/", "/]"],
  step: ["[", "]"],
  read: ["(", ")"],
  pivot: ["{{", "}}"],
  forward: ["[", "]"],
  undone: ["((", "))"],
};
const arrows: Readonly<Record<GraphEdge["kind"], string>> = {
  reads: "-->",
  writes: "-->",
  starts: "-- starts -->",
  next: "-->",
  undo: "-. undo .->",
};

/** As Mermaid's flowchart. Sagas are frames of their own; the pivot is a hexagon, and what is behind it is marked. */
export function toMermaid({ nodes, edges }: Graph): string {
  const line = ({ id, kind, label }: GraphNode) => {
    const [open, close] = shapes[kind];
    return `${id}${open}"${label}${kind === "pivot" ? " (pivot)" : ""}"${close}${kind === "forward" ? ":::forward" : ""}`;
  };
  const arrow = ({ from, to, kind }: GraphEdge) => `${from} ${arrows[kind]} ${to}`;
  const isInside = ({ kind }: GraphEdge) => kind === "next" || kind === "undo";
  const sagas = [...new Set(nodes.flatMap(({ saga }) => (saga === undefined ? [] : [saga])))];
  return [
    "flowchart LR",
    ...nodes.filter(({ saga }) => saga === undefined).map((node) => `  ${line(node)}`),
    ...sagas.flatMap((saga) => {
      const own = nodes.filter((node) => node.saga === saga);
      const ids = new Set(own.map(({ id }) => id));
      return [
        `  subgraph saga_${saga.replace(/\W/g, "_")}["saga ${saga}"]`,
        "    direction LR",
        ...own.map((node) => `    ${line(node)}`),
        ...edges.filter((edge) => isInside(edge) && ids.has(edge.from)).map((edge) => `    ${arrow(edge)}`),
        "  end",
      ];
    }),
    ...edges.filter((edge) => !isInside(edge)).map((edge) => `  ${arrow(edge)}`),
    "  classDef forward stroke-width:3px",
  ].join("\n");
}
