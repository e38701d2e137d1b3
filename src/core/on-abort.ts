interface Listening {
  readonly listeners: Set<() => void>;
  /** Takes the one listener off the signal. */
  readonly end: () => void;
}

const listening = new WeakMap<AbortSignal, Listening>();

/**
 * Calls back once when a signal aborts that has not aborted yet. Whoever listens no more calls what it returns.
 *
 * All who listen to one signal share one listener of it: thousands may wait under the signal of a lease, which Node would take for
 * a leak, and each that left would be looked for among all others.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { listeners, end } = listening.get(signal) ?? listenTo(signal);
  // A function that is given twice is called twice.
  const own = () => listener();
  listeners.add(own);
  return () => {
    if (listeners.delete(own) && listeners.size === 0) end();
  };
}

function listenTo(signal: AbortSignal): Listening {
  const listeners = new Set<() => void>();
  const end = () => {
    signal.removeEventListener("abort", hear);
    listening.delete(signal);
  };
  const hear = () => {
    listening.delete(signal);
    for (const listener of listeners) listener();
  };
  signal.addEventListener("abort", hear, { once: true });
  const made = { listeners, end };
  listening.set(signal, made);
  return made;
}
