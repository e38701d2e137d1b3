/** The element at a place that a list is known to have. Not for what is done with each event: there the engine wants to know the list. */
export const nth = <Element>(list: ArrayLike<Element>, index: number): Element => list[index] as Element;
