/** Closes the newest first, and each of them: one that cannot be closed keeps none of the others open. @throws what the first failed with */
export async function closeAll(open: (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of open.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
