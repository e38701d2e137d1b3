import { setTimeout as sleep } from "node:timers/promises";
import { type ClientOf, defineParticipant, Refusal, ReplyLost, verb } from "headrace/participant";
import { z } from "zod";
import { checkSuperseded, countStates, key, type StoreDeps } from "./store.ts";

const keys = ["shop:{payments}"];

// key → "authorised|<cents>", "captured|<cents>" or "voided|<cents>"
const authorise = `
local payment = redis.call('HGET', KEYS[1], ARGV[1])
if payment then return string.sub(payment, 1, 7) == 'voided|' and 'SUPERSEDED' or 'KNOWN' end
redis.call('HSET', KEYS[1], ARGV[1], 'authorised|' .. ARGV[2])
return 'NEW'`;

const move = `
local payment = redis.call('HGET', KEYS[1], ARGV[1]) or 'none|0'
local state, cents = string.match(payment, '^(%a+)|(%d+)$')
if state == ARGV[2] then return 'OK' end
if ARGV[2] == 'captured' and state ~= 'authorised' then return state end
if ARGV[2] == 'voided' and state == 'captured' then return state end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '|' .. cents)
return 'OK'`;

/**
 * The payment provider of the reference shop. `tok_declined` is declined; `tok_lost_reply` charges and loses its first
 * reply; `tok_slow` answers after three seconds; every other token is good.
 */
export const createPayments = (deps: StoreDeps) => {
  const moveTo = async (step: string, state: "voided" | "captured") => {
    const reply = await deps.redis.eval(move, { keys, arguments: [step, state] });
    if (reply !== "OK") throw new Refusal("PaymentState", `the payment '${step}' is ${reply} and cannot be ${state}`);
  };
  return defineParticipant("payments", {
    authorise: verb(z.object({ key, token: z.string(), cents: z.int().nonnegative() }), async ({ key: step, token, cents }) => {
      if (token === "tok_declined") throw new Refusal("PaymentDeclined", "the card was declined");
      if (token === "tok_slow") await sleep(3_000);
      const reply = await deps.redis.eval(authorise, { keys, arguments: [step, String(cents)] });
      checkSuperseded(reply, step);
      if (token === "tok_lost_reply" && reply === "NEW") throw new ReplyLost("as the token asks for");
    }),

    void: verb(z.object({ key }), ({ key: step }) => moveTo(step, "voided")),

    capture: verb(z.object({ key }), ({ key: step }) => moveTo(step, "captured")),

    count: verb(z.object({}), () => countStates(deps, { hash: "shop:{payments}", states: ["authorised", "captured", "voided"] })),
  });
};

export type Payments = ReturnType<typeof createPayments>;

/** What sagas ask of the payment provider. */
export const paymentActivities = (payments: ClientOf<Payments>) => ({
  authorisePayment: (step: string, payment: { readonly token: string; readonly cents: number }) =>
    payments.authorise({ key: step, ...payment }),
  voidPayment: (step: string) => payments.void({ key: step }),
  capturePayment: (step: string) => payments.capture({ key: step }),
});
