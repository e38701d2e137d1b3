import type { Client } from "@temporalio/client";
import { shellWord } from "../../core/shell-word.ts";
import type { AppPlan } from "../../plan/plan.ts";
import { remembersMs, startedOnce } from "../../sinks/temporal/memory.ts";
import { type DoctorFinding, roughly } from "./finding.ts";

/** Until when Temporal knows a workflow id, by which it starts nothing twice. */
export async function temporalFindings(client: Client, { pipelines }: AppPlan): Promise<readonly DoctorFinding[]> {
  const ms = await remembersMs(client);
  const started = startedOnce(pipelines);
  if (ms === undefined || started.length === 0) return [];
  const { namespace } = client.options;
  const what = `it keeps a run that has ended for ${roughly(ms)}, and then forgets its id: an event older than that, replayed or sent again, starts ${started.join(", ")} again`;
  const hint = `Give such a start a 'notAfter' within that time, or have runs kept for longer: temporal operator namespace update -n ${shellWord(namespace)} --retention 30d`;
  return [{ severity: "note", where: `temporal namespace '${namespace}'`, what, hint }];
}
