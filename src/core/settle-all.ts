/** Resolves when all have ended. @throws what the first of those in the list that failed has failed with, once all have ended */
export async function settleAll(running: readonly Promise<unknown>[]): Promise<void> {
  const failure = (await Promise.allSettled(running)).find((one) => one.status === "rejected");
  if (failure) throw failure.reason;
}
