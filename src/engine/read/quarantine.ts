/**
 * Lets one partition at a time process suspects, which may crash the process: with several under way, a crash would count against the
 * entries of all of them.
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
