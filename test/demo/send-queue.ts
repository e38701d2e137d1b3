interface Timed {
  readonly sendAt: number;
}

/** A binary heap of what is still to be sent: the earliest first, and first come first among equals. */
export interface SendQueue<T extends Timed> {
  push(value: T): void;
  /** Removes and returns the earliest value due at or before `until`, a time in milliseconds. */
  popDue(until: number): T | undefined;
}

export function createSendQueue<T extends Timed>(): SendQueue<T> {
  const heap: { readonly value: T; readonly order: number }[] = [];
  let order = 0;

  const isBefore = (a: number, b: number): boolean => {
    const x = heap[a] as (typeof heap)[number];
    const y = heap[b] as (typeof heap)[number];
    return x.value.sendAt < y.value.sendAt || (x.value.sendAt === y.value.sendAt && x.order < y.order);
  };
  const swap = (a: number, b: number): void => {
    const x = heap[a] as (typeof heap)[number];
    heap[a] = heap[b] as (typeof heap)[number];
    heap[b] = x;
  };

  return {
    push(value) {
      let child = heap.push({ value, order: order++ }) - 1;
      while (child > 0) {
        const parent = (child - 1) >>> 1;
        if (!isBefore(child, parent)) return;
        swap(child, parent);
        child = parent;
      }
    },
    popDue(until) {
      const first = heap[0];
      if (first === undefined || first.value.sendAt > until) return undefined;
      swap(0, heap.length - 1);
      heap.pop();
      for (let parent = 0; ; ) {
        const left = 2 * parent + 1;
        let least = parent;
        if (left < heap.length && isBefore(left, least)) least = left;
        if (left + 1 < heap.length && isBefore(left + 1, least)) least = left + 1;
        if (least === parent) return first.value;
        swap(parent, least);
        parent = least;
      }
    },
  };
}
