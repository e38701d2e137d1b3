import { saga } from "headrace/saga";

const done = async () => {};
const open = saga<{ readonly id: string }, object>("order").step("stock", { do: async () => 1, undo: done });
const committed = open.pivot("order", { do: async () => "number", undo: done });

// refused: Property 'step' does not exist on type 'CommittedSaga<
export const stepBehindPivot = committed.step("late", { do: done, undo: done });
// refused: 'do' does not exist in type 'RunStep<
export const undoBehindPivot = committed.then("late", { do: done, undo: done });
// refused: Property 'undo' is missing in type
export const noUndoBeforePivot = open.step("payment", { do: async () => 1 });
// refused: TypeHint<"The saga has a step 'stock' already">
export const sameNameTwice = open.step("stock", { do: async () => 2, undo: done });
// refused: TypeHint<"The saga has a step 'order' already">
export const sameNameBehindPivot = committed.then("order", done);
// refused: Property 'returns' does not exist on type 'OpenSaga<
export const endWithoutPivot = open.returns(() => 1);
// refused: Property 'payment' does not exist on type
export const resultOfNoStep = committed.returns(({ done: results }) => results.payment);
