import { Graph as Layout, layout } from "@dagrejs/dagre";
import type { Graph, GraphEdge, GraphNode } from "../../plan/graph.ts";

const letter = { width: 7.6, height: 16 } as const;
const padding = { x: 14, y: 9 } as const;

const fills: Readonly<Record<GraphNode["kind"], string>> = {
  stream: "#dbeafe",
  pipeline: "#dcfce7",
  table: "#fef3c7",
  workflow: "#f3e8ff",
  step: "#ffffff",
  read: "#f8fafc",
  pivot: "#fecaca",
  forward: "#e2e8f0",
  undone: "#ffffff",
};
/** How round the corners are. */
const rounds: Partial<Record<GraphNode["kind"], number>> = { pipeline: 17, read: 17, undone: 17, table: 2, stream: 0, pivot: 0 };

interface PlacedNode {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** As a picture. Sagas are frames; the pivot has pointed ends, undos are dashed, and what is forward only is grey. */
export function toSvg({ nodes, edges }: Graph): string {
  const plan = new Layout({ compound: true, multigraph: true }).setGraph({
    rankdir: "LR",
    nodesep: 18,
    ranksep: 46,
    marginx: 16,
    marginy: 16,
  });
  const sagas = new Set(nodes.flatMap(({ saga }) => (saga === undefined ? [] : [saga])));
  for (const saga of sagas) plan.setNode(frameOf(saga), {});
  for (const { id, label, saga } of nodes) {
    plan.setNode(id, { width: label.length * letter.width + 2 * padding.x, height: letter.height + 2 * padding.y });
    if (saga !== undefined) plan.setParent(id, frameOf(saga));
  }
  // An undo leads back, and must not turn the order of the steps round: it is laid out as if it led forward.
  for (const { from, to, kind } of edges) {
    if (kind === "undo" && !to.endsWith("_undone")) plan.setEdge(to, from, {}, "undo");
    else plan.setEdge(from, to, {}, kind);
  }
  layout(plan);
  const { width = 0, height = 0 } = plan.graph() as { readonly width?: number; readonly height?: number };
  const placeOf = (id: string) => plan.node(id) as PlacedNode;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}" font-family="ui-monospace, monospace" font-size="12.5">`,
    `<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#475569"/></marker></defs>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    ...[...sagas].map((saga) => frame(saga, placeOf(frameOf(saga)))),
    ...edges.map((edge) => arrow(edge, pointsOf(edge))),
    ...nodes.map((node) => box(node, placeOf(node.id))),
    "</svg>",
  ].join("\n");

  function pointsOf({ from, to, kind }: GraphEdge): readonly { readonly x: number; readonly y: number }[] {
    const isTurned = kind === "undo" && !to.endsWith("_undone");
    const { points } = (isTurned ? plan.edge(to, from, "undo") : plan.edge(from, to, kind)) as {
      readonly points: readonly { readonly x: number; readonly y: number }[];
    };
    return isTurned ? points.toReversed() : points;
  }
}

const frameOf = (saga: string): string => `frame_${saga}`;
const escaped = (text: string): string => text.replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const round = (n: number): number => Math.round(n * 10) / 10;

function frame(saga: string, { x, y, width, height }: PlacedNode): string {
  const [left, top] = [round(x - width / 2), round(y - height / 2)];
  return `<rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" rx="8" fill="#faf5ff" stroke="#c4b5fd"/><text x="${left + 8}" y="${top + 15}" fill="#6d28d9">saga ${escaped(saga)}</text>`;
}

function arrow({ kind }: GraphEdge, points: readonly { readonly x: number; readonly y: number }[]): string {
  const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${round(x)} ${round(y)}`).join("");
  const dashes = kind === "undo" ? ` stroke-dasharray="4 3"` : kind === "starts" ? ` stroke-width="2"` : "";
  return `<path d="${path}" fill="none" stroke="${kind === "undo" ? "#dc2626" : "#475569"}"${dashes} marker-end="url(#end)"/>`;
}

function box({ kind, label }: GraphNode, { x, y, width, height }: PlacedNode): string {
  const [left, top, right, bottom] = [round(x - width / 2), round(y - height / 2), round(x + width / 2), round(y + height / 2)];
  const look = `fill="${fills[kind]}" stroke="#334155"${kind === "undone" ? ` stroke-dasharray="4 3"` : ""}`;
  const outline =
    kind === "pivot"
      ? `<path d="M${left} ${round(y)}L${left + 9} ${top}L${right - 9} ${top}L${right} ${round(y)}L${right - 9} ${bottom}L${left + 9} ${bottom}z" ${look}/>`
      : `<rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" rx="${rounds[kind] ?? 4}" ${look}/>`;
  return `${outline}<text x="${round(x)}" y="${round(y + 4.5)}" text-anchor="middle">${escaped(label)}</text>`;
}
