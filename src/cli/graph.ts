import { graphOf } from "../plan/graph.ts";
import { toMermaid } from "./graph/mermaid.ts";
import { toSvg } from "./graph/svg.ts";
import { loadApp, loadSagas } from "./load-app.ts";
import { exitCodes, printJson, printLine } from "./output.ts";

type GraphFormat = "mermaid" | "json" | "svg";

/** `headrace graph`: streams, pipelines, tables and sagas, and what flows between them. */
export async function graphVerb({ cwd, format }: { readonly cwd: string; readonly format: GraphFormat }): Promise<number> {
  const graph = graphOf(await loadApp(cwd), await loadSagas(cwd));
  switch (format) {
    case "mermaid":
      printLine(toMermaid(graph));
      break;
    case "svg":
      printLine(toSvg(graph));
      break;
    case "json":
      printJson(graph);
      break;
    default:
      format satisfies never;
  }
  return exitCodes.fine;
}
