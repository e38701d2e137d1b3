/**
 * A function that somebody wrote in a definition, as a plan holds it. Its types were checked where it was written, and end here, once: its
 * arguments are a method's, which TypeScript compares both ways, so it is called with values that nobody knows the type of any more.
 */
export type Callback<Arguments extends readonly unknown[], Result> = { call(...values: Arguments): Result }["call"];
