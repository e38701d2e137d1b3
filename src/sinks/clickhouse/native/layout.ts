/** How the cells of a column lie in a block: all that is needed to cut columns and to join them, whatever they hold. */
export type Layout =
  /** All of one width. */
  | { readonly kind: "fixed"; readonly bytes: number }
  /** A length and so many bytes each. */
  | { readonly kind: "texts" }
  /** A byte each, 1 for a null; then the cells of `of`. */
  | { readonly kind: "nullable"; readonly of: Layout }
  /** Eight bytes each: where it ends, counted in elements from the start of the block; then all elements, as cells of `of`. */
  | { readonly kind: "arrays"; readonly of: Layout };

export const fixed = (bytes: number): Layout => ({ kind: "fixed", bytes });
