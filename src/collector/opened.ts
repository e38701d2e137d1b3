import type { Fault } from "../bus/envelope.ts";

/** An event as an object, before its attributes were looked at; or why it is none. */
export type Opened =
  | { readonly kind: "event"; readonly event: Readonly<Record<string, unknown>> }
  | ({ readonly kind: "refused" } & Fault);
