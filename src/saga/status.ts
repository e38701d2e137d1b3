import { defineSearchAttributeKey } from "@temporalio/common";
import { defineQuery, setCurrentDetails, setHandler, upsertSearchAttributes } from "@temporalio/workflow";
import type { SagaPlan, SagaStepPlan } from "../plan/saga.ts";

/** How far a step is. */
export type StepState =
  | "waiting"
  | "left out"
  | "running"
  | "refused"
  | "done"
  | "failed"
  | "cancelled"
  | "undoing"
  | "undone"
  | "undo skipped"
  | "given up";

/** `given up`: an operator ended it before it was finished or undone. `undone in part`: an operator skipped an undo. */
export type SagaOutcome = "running" | "completed" | "undoing" | "undone" | "undone in part" | "given up";

/** What an operator did. */
export interface Intervention {
  /** When, ISO 8601. */
  readonly at: string;
  /** What: try again at once, leave an undo out, or end the saga where it is. */
  readonly verb: "retryNow" | "skipUndo" | "giveUp";
  /** Where the saga was. */
  readonly step: string;
  /** Why, as they said. */
  readonly reason?: string;
  /** Who, as they said. */
  readonly by?: string;
}

/** What the query `saga` answers. */
export interface SagaView {
  /** How far the saga is. */
  readonly outcome: SagaOutcome;
  /** Each step with its state, and since when it has it (ISO 8601). */
  readonly steps: readonly (Pick<SagaStepPlan, "name" | "kind"> & { readonly state: StepState; readonly since: string })[];
  /** Why a person is needed, while one is. */
  readonly needsAttention?: string;
  /** What operators did, the oldest first. */
  readonly interventions: readonly Intervention[];
}

/**
 * Asks a saga how far it is: each step, and what operators did.
 *
 * @example
 * ```ts
 * import { Client } from "@temporalio/client";
 * const client = new Client();
 * const { outcome, steps } = await client.workflow.getHandle("checkout-42").query(sagaQuery);
 * ```
 */
export const sagaQuery = defineQuery<SagaView>("saga");

/** What operators filter by in the Temporal UI. The server has to know these attributes: `headrace migrate` registers them. */
const sagaStep = defineSearchAttributeKey("SagaStep", "KEYWORD");
const sagaOutcome = defineSearchAttributeKey("SagaOutcome", "KEYWORD");
const needsAttention = defineSearchAttributeKey("NeedsAttention", "BOOL");

/** Where each step is, told to everyone who looks: the details in the UI, the query, the search attributes. */
export interface SagaStatus {
  readonly view: SagaView;
  /** The step that was shown last. */
  readonly current: string;
  show(step: string, state: StepState): void;
  /** Attributes cost an event and an update of the index each, so only what operators look for is told. */
  end(outcome: SagaOutcome, step?: string): void;
  /** Calls for a person; again with another reason, if need be. */
  callForHelp(step: string, why: string): void;
  /** Lowers the flag, where it is up. */
  helped(): void;
  note(intervention: Intervention): void;
}

export function openStatus({ steps }: SagaPlan): SagaStatus {
  const rows = steps.map(({ name, kind }) => ({ name, kind, state: "waiting" as StepState, since: now() }));
  const interventions: Intervention[] = [];
  let outcome: SagaOutcome = "running";
  let current = "";
  let help: string | undefined;
  const status: SagaStatus = {
    get view() {
      return { outcome, steps: rows, ...(help !== undefined && { needsAttention: help }), interventions };
    },
    get current() {
      return current;
    },
    show(step, state) {
      current = step;
      const row = rows.find(({ name }) => name === step);
      if (row) Object.assign(row, { state, since: now() });
      draw();
    },
    end(to, step) {
      outcome = to;
      upsertSearchAttributes([{ key: sagaOutcome, value: to }, ...(step === undefined ? [] : [{ key: sagaStep, value: step }])]);
      draw();
    },
    callForHelp(step, why) {
      help = `${step}: ${why}`;
      upsertSearchAttributes([
        { key: sagaStep, value: step },
        { key: needsAttention, value: true },
      ]);
      draw();
    },
    helped() {
      if (help === undefined) return;
      help = undefined;
      upsertSearchAttributes([{ key: needsAttention, value: false }]);
      draw();
    },
    note(intervention) {
      interventions.push(intervention);
      draw();
    },
  };
  const draw = () => setCurrentDetails(asMarkdown(status.view));
  setHandler(sagaQuery, () => status.view, { description: "Each step and how far it is, and what operators did." });
  return status;
}

const now = (): string => new Date().toISOString();

/** The UI draws tables without a space between their cells. */
const gap = "\u00a0\u00a0\u00a0";

function asMarkdown({ steps, needsAttention: help, interventions }: SagaView): string {
  return [
    ...(help === undefined ? [] : [`**Needs attention.** ${help}`, ""]),
    `| step${gap} | state${gap} | since |`,
    "|---|---|---|",
    ...steps.map(({ name, kind, state, since }) => {
      const mark = kind === "pivot" || kind === "read" ? ` (${kind})` : "";
      return `| ${name}${mark}${gap} | ${state}${gap} | ${state === "waiting" ? "" : since.replace("T", " ").slice(0, 19)} |`;
    }),
    ...(interventions.length === 0 ? [] : ["", "Operators:"]),
    ...interventions.map(
      ({ at, verb, step, reason, by }) => `- ${at} ${verb} at ${step}${reason ? `: ${reason}` : ""}${by ? ` (${by})` : ""}`,
    ),
  ].join("\n");
}
