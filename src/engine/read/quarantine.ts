/**
 * Lets one at a time take up entries that may end the process. Were several under way, one that kills would have its deaths counted
 * against all of them.
 */
export class Quarantine {
  #last: Promise<void> = Promise.resolve();

  /** Runs `work` when it is its turn, unless the signal aborts first. */
  async during(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(() => (signal.aborted ? undefined : work()));
    this.#last = turn.catch(() => {});
    await turn;
  }
}
