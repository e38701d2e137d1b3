import type { StandardSchemaV1 } from "@standard-schema/spec";
import { acrossCopies } from "../core/across-copies.ts";

/** Something that a participant does when it is asked over HTTP. */
export interface Verb<in Request, out Response> {
  /** What it is asked with. */
  readonly request: StandardSchemaV1<unknown, unknown>;
  /** What it does. A `Refusal` is an answer; whatever else it throws is a fault, and is tried again. */
  readonly run: (request: Request) => Promise<Response>;
}

/** What a participant can be asked for, by name. */
export type Verbs = Readonly<Record<string, Verb<never, unknown>>>;

/** A system that takes part in sagas: an order system, a bank, a warehouse. It keeps its own books, and is reached over HTTP. */
export interface Participant<out V extends Verbs = Verbs> {
  readonly kind: "participant";
  /** The name under which it is found. */
  readonly name: string;
  /** What it can be asked for, by name. */
  readonly verbs: V;
}

/**
 * How others see a participant: a call resolves with its answer, and rejects with its refusal or with a fault.
 *
 * @example
 * ```ts
 * import type { ClientOf, Participant, Verb } from "headrace/participant";
 * type Bank = Participant<{ pay: Verb<{ readonly cents: number }, { readonly left: number }> }>;
 * export const payAll = async (bank: ClientOf<Bank>) => (await bank.pay({ cents: 100 })).left;
 * ```
 */
export type ClientOf<P extends Participant> = {
  readonly [Name in keyof P["verbs"]]: P["verbs"][Name] extends Verb<infer Request, infer Response>
    ? (request: Request) => Promise<Response>
    : never;
};

/**
 * A verb: what it is asked with, as a schema, and what it does.
 *
 * @example
 * ```ts
 * const balances = new Map<string, number>();
 * const pay = verb(z.object({ key: z.string(), account: z.string(), cents: z.number() }), async ({ account, cents }) => {
 *   return { left: (balances.get(account) ?? 0) - cents };
 * });
 * ```
 */
export const verb = <Schema extends StandardSchemaV1, Response>(
  request: Schema,
  run: (request: StandardSchemaV1.InferOutput<Schema>) => Promise<Response>,
): Verb<StandardSchemaV1.InferOutput<Schema>, Response> => ({ request, run: run as never });

/**
 * Defines a participant. Its verbs are asked with a key that names a step of a saga, and stand three things: coming twice (same
 * answer, no second effect), an undo of what never came (success), and a do that comes behind its undo (refused).
 *
 * @example
 * ```ts
 * const holds = new Map<string, string>();
 * export const stock = defineParticipant("stock", {
 *   reserve: verb(z.object({ key: z.string(), sku: z.string() }), async ({ key, sku }) => {
 *     if (holds.get(key) === "released") throw new Refusal("Superseded", `'${key}' was released before`);
 *     holds.set(key, sku);
 *   }),
 *   release: verb(z.object({ key: z.string() }), async ({ key }) => {
 *     holds.set(key, "released");
 *   }),
 * });
 * ```
 */
export const defineParticipant = <const V extends Verbs>(name: string, verbs: V): Participant<V> => ({
  kind: "participant",
  name,
  verbs,
});

/**
 * A participant understood, and says no: trying again would not help. Whoever called gets `type` and the message.
 *
 * @example
 * ```ts
 * const balances = new Map<string, number>();
 * const pay = verb(z.object({ key: z.string(), account: z.string(), cents: z.number() }), async ({ account, cents }) => {
 *   if ((balances.get(account) ?? 0) < cents) throw new Refusal("PaymentDeclined", `${account} has too little`);
 * });
 * ```
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}
acrossCopies(Refusal, "Refusal");

/**
 * Thrown by a verb that has done its work: the caller is to lose the answer. For tests and demonstrations.
 *
 * @example
 * ```ts
 * const balances = new Map<string, number>();
 * const pay = verb(z.object({ key: z.string(), account: z.string(), cents: z.number() }), async ({ account, cents }) => {
 *   balances.set(account, (balances.get(account) ?? 0) - cents);
 *   throw new ReplyLost("paid, and nobody hears of it");
 * });
 * ```
 */
export class ReplyLost extends Error {
  override readonly name = "ReplyLost";
}
acrossCopies(ReplyLost, "ReplyLost");
