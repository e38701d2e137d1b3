// The type checker must refuse this file. If it ever passes, the checker is not looking at test/types.
// refused: Type 'string' is not assignable to type 'number'
export const count: number = "one";
