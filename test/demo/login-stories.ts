import type { LoginEvent, Plan } from "./emission.ts";
import type { People, Person } from "./people.ts";
import type { Random } from "./random.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const methods = ["password", "password", "publickey", "sso"];
const devices = ["laptop", "phone", "tablet"];

/** Most ids are UUIDs; one in a hundred is a string of the client's own making. */
export const eventId = (random: Random): string => (random.chance(0.01) ? `client-${random.hex(24)}` : random.uuid());

const loginPlan = (sendAt: number, event: LoginEvent): Plan => ({
  sendAt,
  event,
  isFirst: true,
  emission: { kind: "event", stream: "logins", event },
});

/**
 * How much later than it happened an event is sent: 1 in 100 by 11 to 45 minutes, 1 in 100 by up to nine.
 * Failures are never delayed: bursts are judged in event time, and a late failure could belong to one or not.
 */
export function delayMs(random: Random): number {
  if (random.chance(0.01)) return random.int(11 * minute, 45 * minute);
  if (random.chance(0.01)) return random.int(second, 9 * minute);
  return 0;
}

/** A session: perhaps a typing error first, a login, and for seven in eight a logout, after midnight if it comes to that. */
export function sessionStory(random: Random, people: People, at: number): Plan[] {
  const { userId, homeIp, country } = people.active(random);
  const ip = random.chance(0.8) ? homeIp : randomIp(random);
  const sessionId = `s-${random.hex(16)}`;
  const plans: Plan[] = [];
  let loginAt = at;
  if (random.chance(0.04)) {
    plans.push(failurePlan(random, at, { userId, ip }));
    loginAt += random.int(2 * second, 20 * second);
  }
  const time = new Date(loginAt);
  const place = random.chance(0.7) ? { device: random.pick(devices), country } : {};
  const data = { userId, sessionId, ip, method: random.pick(methods), ...place };
  plans.push(loginPlan(loginAt + delayMs(random), { id: eventId(random), type: "login.succeeded", time, data }));
  if (random.chance(0.875)) {
    const lengthMs = Math.min(20 * hour, Math.max(5 * second, Math.round(random.logNormal(22 * minute, 1.1))));
    const end = loginAt + lengthMs;
    const ended = { id: eventId(random), type: "login.ended", time: new Date(end), data: { userId, sessionId } } as const;
    plans.push(loginPlan(end + delayMs(random), ended));
  }
  return plans;
}

/** One failed login out of the blue; once in a thousand with an empty name. */
export function failureStory(random: Random, people: People, at: number): Plan[] {
  const { userId, homeIp } = people.any(random);
  return [
    failurePlan(random, at, { userId: random.chance(0.001) ? "" : userId, ip: random.chance(0.5) ? homeIp : randomIp(random) }),
  ];
}

/** How many failures an attack may have, its near misses included. */
const maxAttackSize = 40;

/**
 * A burst of failures against one user, from one address, or both. Some keep exactly five minutes between two failures, which is
 * still one burst; some pause a millisecond more, or stop after four, and are none.
 */
export function attackStory(random: Random, people: People, at: number): Plan[] {
  const shape = random.pick(["user", "address", "both"] as const);
  const victim = people.any(random);
  const attackerIp = randomIp(random);
  const pace = random.next();
  const size = pace < 0.1 ? 4 : pace < 0.2 ? 8 : random.int(5, maxAttackSize);
  const gapMs = (): number => {
    if (pace >= 0.1 && pace < 0.15) return 5 * minute;
    if (pace >= 0.15 && pace < 0.2) return 5 * minute + 1;
    return Math.min(290 * second, Math.round(random.exponential(15 * second)) + 1);
  };
  const plans: Plan[] = [];
  let time = at;
  for (let n = 0; n < size; n++) {
    const target: Person = shape === "address" ? people.any(random) : victim;
    plans.push(failurePlan(random, time, { userId: target.userId, ip: shape === "user" ? randomIp(random) : attackerIp }));
    time += gapMs();
  }
  return plans;
}

/**
 * An entry that an older program adds to the stream `app:logins`, in one of the three forms that are read in place: JSON with
 * an id, JSON without one, CloudEvents attributes as fields. Its users and addresses occur once, so they take part in no burst.
 */
export function adoptedStory(random: Random, at: number): Plan[] {
  const userId = `legacy-${random.hex(10)}`;
  const ip = `fd00::${random.hex(4)}:${random.hex(4)}:${random.hex(4)}`;
  const base = { id: random.uuid(), time: new Date(at) };
  const event: LoginEvent = random.chance(0.5)
    ? { ...base, type: "login.failed", data: { userId, ip, method: "password" } }
    : { ...base, type: "login.succeeded", data: { userId, ip, method: "password", sessionId: `s-${random.hex(16)}` } };
  const time = event.time.toISOString();
  const form = random.next();
  const fields: Record<string, string> =
    form < 0.2
      ? { specversion: "1.0", id: event.id, source: "legacy", type: event.type, time, data: JSON.stringify(event.data) }
      : { data: JSON.stringify({ ...(form < 0.5 ? {} : { id: event.id }), type: event.type, time, data: event.data }) };
  return [{ sendAt: at, event, isFirst: true, emission: { kind: "raw", stream: "app:logins", fields, expect: "row" } }];
}

function failurePlan(random: Random, at: number, who: { readonly userId: string; readonly ip: string }): Plan {
  const reason = random.chance(0.3) ? { reason: "invalid user" } : {};
  const data = { ...who, method: "password", ...reason };
  return loginPlan(at, { id: eventId(random), type: "login.failed", time: new Date(at), data });
}

const randomIp = (random: Random): string =>
  random.chance(0.1)
    ? `2001:db8:${random.hex(4)}::${random.hex(4)}`
    : `${random.int(20, 190)}.${random.int(0, 255)}.${random.int(0, 255)}.${random.int(1, 254)}`;
