import { setTimeout as sleep } from "node:timers/promises";

/** Tries until it does not throw, and throws what it threw last when the time is over. Works without vitest, for programs too. */
export async function waitFor<Answer>(
  attempt: () => Answer | Promise<Answer>,
  { timeout, interval }: { readonly timeout: number; readonly interval: number },
): Promise<Answer> {
  for (const since = performance.now(); ; await sleep(interval)) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() - since > timeout) throw error;
    }
  }
}
