/** An event as the demo's clients send it; the shapes are the contract's. */
interface EventOf<Type extends string, Data> {
  /** A UUID, or now and then any other string of up to 128 characters. */
  readonly id: string;
  readonly type: Type;
  readonly time: Date;
  readonly data: Readonly<Data>;
}

export type LoginEvent =
  | EventOf<
      "login.succeeded",
      { userId: string; sessionId: string; ip: string; method: string; device?: string; country?: string }
    >
  | EventOf<"login.failed", { userId: string; ip: string; method: string; reason?: string }>
  | EventOf<"login.ended", { userId: string; sessionId: string }>;

export type CartEvent =
  | EventOf<"cart.created", { cartId: string; userId: string }>
  | EventOf<"cart.item_added", { cartId: string; sku: string; quantity: number; unitPriceCents: number }>
  | EventOf<"cart.item_removed", { cartId: string; sku: string; quantity: number }>
  | EventOf<"cart.quantity_changed", { cartId: string; sku: string; quantity: number }>
  | EventOf<"cart.checkout_requested", { cartId: string; checkoutId: string; paymentToken: string }>;

export type DemoEvent = LoginEvent | CartEvent;

/** What can be wrong with an entry of the adopted stream. */
export const flaws = [
  "not JSON",
  "empty",
  "no type",
  "unknown type",
  "wrong schema",
  "1970",
  "over 256 kB",
  "binary garbage",
  "no field data",
  "deep brackets",
] as const;
export type Flaw = (typeof flaws)[number];

/**
 * One thing to send. `event` goes through a producer; `raw` is a plain entry, as a program that knows nothing of Headrace adds it
 * (`XADD app:logins * field value …`). `expect` says what must become of it.
 */
export type Emission =
  | { readonly kind: "event"; readonly stream: "logins"; readonly event: LoginEvent }
  | { readonly kind: "event"; readonly stream: "carts"; readonly event: CartEvent }
  | {
      readonly kind: "raw";
      readonly stream: "app:logins";
      readonly fields: Readonly<Record<string, string>>;
      readonly expect: "row";
    }
  | {
      readonly kind: "raw";
      readonly stream: "app:logins";
      readonly fields: Readonly<Record<string, string>>;
      readonly expect: "dead letter";
      readonly flaw: Flaw;
    };

/** An emission with the moment it is sent, and what the truth has to know of it. */
export interface Plan {
  /** Milliseconds since the epoch, in the time of the day that is played. */
  readonly sendAt: number;
  readonly emission: Emission;
  /** The event inside; null for a malformed entry. */
  readonly event: DemoEvent | null;
  /** False for a duplicate. */
  readonly isFirst: boolean;
}
