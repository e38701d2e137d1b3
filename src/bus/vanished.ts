/** What is gone, by what producers have `told`, and by a group's ledger: producers and owners may have noticed the same events. */
export const vanishedOf = ({
  told,
  counts,
}: {
  readonly told: number;
  readonly counts: Readonly<Record<string, number>>;
}): number => Math.max(told, counts["vanished:given"] ?? 0) + (counts["vanished:derived"] ?? 0);
