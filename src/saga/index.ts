/** The public door `headrace/saga`: it is bundled into the workflow sandbox. */
export { participants } from "./participants.ts";
export type { Refusal } from "./run.ts";
export { type CommittedSaga, type OpenSaga, type Reversible, type StepContext, saga, type UndoContext } from "./saga.ts";
