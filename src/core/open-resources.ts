/** What was opened, to be closed in the reverse order. */
export class OpenResources {
  readonly #closers: (() => unknown)[] = [];

  /** Takes what was opened, with what closes it. */
  add<Thing>(thing: Thing, close: (thing: Thing) => unknown): Thing {
    this.#closers.push(() => close(thing));
    return thing;
  }

  /** Closes everything, whatever fails meanwhile. May be called again. */
  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch {
        // Nobody can do more about it, and the others are to be closed too.
      }
    }
  }
}

/** Opens several things, one after the other: where one cannot be opened, those before it are closed again. */
export async function openAll<Ready>(open: (opened: OpenResources) => Promise<Ready>): Promise<Ready> {
  const opened = new OpenResources();
  try {
    return await open(opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}
