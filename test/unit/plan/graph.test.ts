import { describe, expect, it } from "vitest";
import { app } from "../../../pipelines/index.ts";
import { toMermaid } from "../../../src/cli/graph/mermaid.ts";
import { toSvg } from "../../../src/cli/graph/svg.ts";
import { type Graph, graphOf } from "../../../src/plan/graph.ts";
import { saga } from "../../../src/saga/saga.ts";
import { checkout } from "../../../workflows/checkout.ts";

const graph = graphOf(app.plan, [checkout.saga]);
const named = ({ nodes, edges }: Graph, kind: Graph["edges"][number]["kind"]) => {
  const labels = new Map(nodes.map(({ id, label }) => [id, label]));
  return edges.filter((edge) => edge.kind === kind).map(({ from, to }) => `${labels.get(from)} → ${labels.get(to)}`);
};

describe("the graph of an application", () => {
  it("has what each pipeline reads and writes, once", () => {
    expect(named(graph, "reads")).toEqual(
      expect.arrayContaining(["logins → login-analytics", "app-logins → login-analytics", "carts → carts"]),
    );
    expect(named(graph, "writes")).toEqual(expect.arrayContaining(["carts → cart_events", "login-attacks → alerts"]));
    expect(new Set(graph.nodes.map(({ id }) => id)).size).toBe(graph.nodes.length);
    for (const { from, to } of graph.edges) {
      for (const end of [from, to]) expect(graph.nodes.map(({ id }) => id)).toContain(end);
    }
  });

  it("has each saga with its steps, its pivot and the way back from it", () => {
    expect(named(graph, "starts")).toEqual(["carts → cartWatch", "carts → freeze"]);
    expect(named(graph, "next")).toEqual([
      "freeze → quote",
      "quote → stock",
      "stock → payment",
      "payment → order",
      "order → capture",
      "capture → stock-sold",
      "stock-sold → close-cart",
      "close-cart → announce",
    ]);
    expect(named(graph, "undo")).toEqual(["order → payment", "payment → stock", "stock → freeze", "freeze → undone, and told"]);
    expect(graph.nodes.filter(({ kind }) => kind === "pivot").map(({ label }) => label)).toEqual(["order"]);
  });

  it("shows steps side by side, and those that may be left out", () => {
    const nothing = { do: async () => {}, undo: async () => {} };
    const trip = saga<unknown, object>("trip")
      .parallel((side) => side.step("flight", nothing).step("hotel", nothing))
      .guarded("gift", () => false, nothing)
      .pivot("book", nothing)
      .returns(() => 1);
    const drawn = graphOf({ ...app.plan, pipelines: [], streams: [] }, [trip.saga]);
    expect(named(drawn, "next")).toEqual(["flight → gift?", "hotel → gift?", "gift? → book"]);
    expect(named(drawn, "undo")).toEqual(["book → gift?", "gift? → hotel", "hotel → flight", "flight → undone"]);
  });

  it("is a flowchart of Mermaid", () => {
    const lines = toMermaid(graph).split("\n");
    expect(lines[0]).toBe("flowchart LR");
    expect(lines).toEqual(
      expect.arrayContaining([
        '  subgraph saga_checkout["saga checkout"]',
        '    step_checkout_order{{"order (pivot)"}}',
        "    step_checkout_order -. undo .-> step_checkout_payment",
        "  pipeline_carts -- starts --> step_checkout_freeze",
      ]),
    );
  });

  it("is a picture with every node and edge in it, and nothing that leaves it", () => {
    const svg = toSvg(graph);
    const [, width = "0", height = "0"] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    expect(svg.match(/<text /g)).toHaveLength(graph.nodes.length + 1);
    expect(svg.match(/marker-end/g)).toHaveLength(graph.edges.length);
    for (const [, x, y] of svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)"/g)) {
      expect(Number(x)).toBeGreaterThan(0);
      expect(Number(x)).toBeLessThan(Number(width));
      expect(Number(y)).toBeLessThan(Number(height));
    }
    expect(svg).not.toMatch(/NaN|undefined/);
  });
});
