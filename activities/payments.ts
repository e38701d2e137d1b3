import { setTimeout as sleep } from "node:timers/promises";
import { checkSuperseded, refuse, type StoreDeps } from "./store.ts";

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

export interface Payment {
  readonly token: string;
  readonly cents: number;
}

/**
 * The payment provider of the reference shop. `tok_declined` is declined; `tok_lost_reply` charges and loses its first
 * reply; `tok_slow` answers after three seconds; every other token is good.
 */
export const createPayments = ({ redis }: StoreDeps) => ({
  async authorisePayment(key: string, { token, cents }: Payment): Promise<void> {
    if (token === "tok_declined") throw refuse("PaymentDeclined", "the card was declined");
    if (token === "tok_slow") await sleep(3_000);
    const reply = await redis.eval(authorise, { keys, arguments: [key, String(cents)] });
    checkSuperseded(reply, key);
    if (token === "tok_lost_reply" && reply === "NEW") throw new Error("the connection was lost before the reply came");
  },

  async voidPayment(key: string): Promise<void> {
    const reply = await redis.eval(move, { keys, arguments: [key, "voided"] });
    if (reply !== "OK") throw new Error(`the payment '${key}' is ${reply} and cannot be voided`);
  },

  async capturePayment(key: string): Promise<void> {
    const reply = await redis.eval(move, { keys, arguments: [key, "captured"] });
    if (reply !== "OK") throw new Error(`the payment '${key}' is ${reply} and cannot be captured`);
  },
});
