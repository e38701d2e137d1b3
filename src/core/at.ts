/**
 * The value at a place of a list that has to be there, for what the engine does with each event. Whoever does something seldom has `nth`:
 * V8 keeps for each function which kinds of lists it was given, and where one function is given those of everybody, a call takes 10 ns in
 * the place of 3.
 *
 * @throws Error where it is not, which is a fault of the program
 */
export function at<Value>(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined) throw new Error(`there is nothing at ${index} of ${values.length}`);
  return value;
}
