/**
 * What an answer of `append` stands for: the frame is in Redis (`memory`), on the disk of the server that answered (`fsync`), or
 * also in the memory of so many replicas (`replica`). `timeoutMs`: how long one answer may take, by default 5 s; what is not
 * confirmed by then may be stored, and is safe to append again.
 */
export type Durability = ({ readonly kind: "memory" | "fsync" } | { readonly kind: "replica"; readonly replicas: number }) & {
  /** How long one answer may take, milliseconds. @default 5000 */
  readonly timeoutMs?: number;
};

export const durabilityKinds = ["memory", "fsync", "replica"] as const satisfies readonly Durability["kind"][];

/** The level of this kind. `replicas` counts for `replica` alone. */
export function toDurability(
  kind: Durability["kind"],
  { replicas = 1, timeoutMs = 5_000 }: { readonly replicas?: number | undefined; readonly timeoutMs?: number | undefined } = {},
): Durability {
  switch (kind) {
    case "replica":
      return { kind, replicas, timeoutMs };
    case "memory":
    case "fsync":
      return { kind, timeoutMs };
    default:
      return kind satisfies never;
  }
}
