import { foldedLogins } from "../../folded-logins.ts";
import { keyOf } from "../../keys.ts";

/** A count of its key's events. */
export const app = foldedLogins("count", { key: keyOf, initial: { n: 0 }, evolve: ({ n }) => ({ n: n + 1 }) });
