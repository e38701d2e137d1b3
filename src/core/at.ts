/** The value at a place of a list that has to be there. @throws Error where it is not, which is a fault of the program */
export function at<Value>(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined) throw new Error(`there is nothing at ${index} of ${values.length}`);
  return value;
}
