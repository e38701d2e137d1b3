/** A type whose only purpose is its name: it makes the compiler print the sentence where something must not be written. */
export interface TypeHint<Sentence extends string> {
  readonly __hint: Sentence;
}

/**
 * Added to the row that a callback returns: each property that is no column gets a type nothing fits, with the reason in it.
 * Excess-property checks skip the inferred results of arrow functions, so a misspelled optional column would compile without it.
 */
export type NoExtra<Row, R> = {
  readonly [K in Exclude<keyof R, keyof Row>]: TypeHint<`The sink has no column '${K & string}'`>;
};
