const brands = new WeakMap<object, symbol>();

/**
 * Has `instanceof` hold between all copies of this package in a process: loaders that turn imports into `require`, as those of test
 * runners and of tsx do, load what is imported later a second time.
 *
 * @param name the same in every copy and every version
 */
export function acrossCopies(Class: { readonly prototype: object }, name: string): void {
  const brand = Symbol.for(`headrace.${name}`);
  brands.set(Class, brand);
  Object.defineProperty(Class.prototype, brand, { value: true });
  Object.defineProperty(Class, Symbol.hasInstance, { value: hasInstance });
}

function hasInstance(this: object, value: unknown): boolean {
  const brand = brands.get(this);
  // A class of somebody's own that extends one of ours.
  if (brand === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
  return typeof value === "object" && value !== null && brand in value;
}
