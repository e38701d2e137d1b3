/** The element at a place that a list is known to have. For what is done with each event there is `at`, which says why there are two. */
export const nth = <Element>(list: ArrayLike<Element>, index: number): Element => list[index] as Element;
