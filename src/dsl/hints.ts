/** A type whose only purpose is its name: it makes the compiler print the sentence where something must not be written. */
export interface TypeHint<Sentence extends string> {
  /** The sentence. There is no such value. */
  readonly __hint: Sentence;
}

/**
 * What the result of a row function is inferred as: columns that are there have the sink's types, so that literals stay literals,
 * and a wrong one is told at its property.
 */
export type RowLike<Row> = { readonly [K in keyof Row]?: Given<Row[K]> };

/**
 * Added to the row that a callback returns: the sink's own type where the row fits. Else, a type nothing fits with the reason in
 * it: at each property that is no column, or for the row as a whole where a column is missing. Excess-property checks skip the
 * inferred results of arrow functions and rows that are made elsewhere, so a misspelled optional column would compile without it.
 */
export type RowFor<Row, R> = [Exclude<KeysOf<R>, KeysOf<Row>>] extends [never]
  ? [LackingColumns<Row, R>] extends [never]
    ? Given<Row>
    : TypeHint<`The row lacks the column '${LackingColumns<Row, R> & string}'`>
  : NoExtraColumns<Row, R>;

/** A type as values of it may be given: literals are inferred as read-only, also where the receiver declares a mutable array. */
export type Given<Value> = Value extends Date | ((...args: never) => unknown)
  ? Value
  : Value extends object
    ? { readonly [K in keyof Value]: Given<Value[K]> }
    : Value;

/** Refuses each property of a row that is no column, with a sentence. */
export type NoExtraColumns<Row, R> = {
  readonly [K in Exclude<KeysOf<R>, KeysOf<Row>>]: TypeHint<`The sink has no column '${K & string}'`>;
};

/** The keys of all members of a union, where `keyof` has only those that they share. */
export type KeysOf<Union> = Union extends unknown ? keyof Union : never;
/** The columns that a row must have and lacks. */
export type LackingColumns<Row, R> = Exclude<{ [K in keyof Row]-?: undefined extends Row[K] ? never : K }[keyof Row], keyof R>;
