import { cartStory, checkoutEnd, maxCartEvents } from "./cart-story.ts";
import type { Emission, Plan } from "./emission.ts";
import { adoptedStory, attackStory, failureStory, sessionStory } from "./login-stories.ts";
import { flawOf, malformedPlan } from "./malformed.ts";
import { createPeople, momentOf, type People } from "./people.ts";
import { createRandom, type Random } from "./random.ts";
import { createSendQueue } from "./send-queue.ts";
import { createTruth, type Truth } from "./truth.ts";

export interface DayOptions {
  /** How many emissions the day has, duplicates and malformed ones included. At least 500. */
  readonly events: number;
  readonly seed: string | number;
  /** Midnight UTC of the day to play. */
  readonly dayStart: Date;
}

export interface Day {
  /** In sending order. To be run through once; holds only what is under way (open sessions and carts), never the day. */
  readonly emissions: Iterable<Emission>;
  /** What was emitted so far; the day's truth once `emissions` has run through. */
  truth(): Truth;
}

const duplicateShare = 0.02;
const malformedShare = 0.001;
const checkoutShare = 0.001;
/** Sagas run at some tens a second, so a long day has no more of them than a short one. */
const maxCheckouts = 200;
/** A checkout's cart with every event sent twice. */
const maxCheckoutPlans = 2 * maxCartEvents;

/**
 * A day of logins and carts, the same for the same options.
 *
 * The day is told as stories (a session, an attack, a cart …). A story is drawn whole, so the number of its emissions is known
 * when it begins, and it begins at the moment of the day that the share of emissions so far stands for: thus the day comes out at
 * exactly `events` emissions and is busy at the hours people are. Malformed entries and checkouts have quotas, met at even
 * distances.
 * Throws a RangeError for fewer than 500 events, in which the quotas have no room.
 */
export function generateDay({ events, seed, dayStart }: DayOptions): Day {
  if (!Number.isInteger(events) || events < 500)
    throw new RangeError(`a day needs at least 500 events, and ${events} were asked for`);
  const random = createRandom(`${seed}/${events}/${dayStart.toISOString()}`);
  const people = createPeople(events);
  const truth = createTruth(people.sampled);

  function* emissions(): Generator<Emission> {
    const queue = createSendQueue<Plan>();
    for (const { at, plans } of stories({ events, random, people, start: dayStart.getTime() })) {
      // Nothing of this story or a later one is sent before `at`.
      for (let due = queue.popDue(at - 1); due !== undefined; due = queue.popDue(at - 1)) yield emit(due);
      for (const plan of plans) queue.push(plan);
    }
    for (let due = queue.popDue(Infinity); due !== undefined; due = queue.popDue(Infinity)) yield emit(due);
  }
  const emit = (plan: Plan): Emission => {
    truth.record(plan);
    return plan.emission;
  };
  return { emissions: emissions(), truth: truth.result };
}

/** Midnight UTC of the day before `now`: a whole day that has happened, well inside the 400 days that are taken. */
export function startOfYesterday(now: Date): Date {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() - 1));
}

interface Setting {
  readonly events: number;
  readonly random: Random;
  readonly people: People;
  readonly start: number;
}

function* stories({
  events,
  random,
  people,
  start,
}: Setting): Generator<{ readonly at: number; readonly plans: readonly Plan[] }> {
  const malformed = { done: 0, quota: Math.max(10, Math.round(events * malformedShare)) };
  const checkouts = { done: 0, quota: Math.min(maxCheckouts, Math.max(3, Math.round(events * checkoutShare))) };
  let told = 0;
  const isDue = ({ done, quota }: { done: number; quota: number }) => done < quota && told / events >= (done + 0.5) / quota;

  while (told < events) {
    const at = start + momentOf(told / events);
    const reserved = malformed.quota - malformed.done + (checkouts.quota - checkouts.done) * maxCheckoutPlans;
    const room = events - told - reserved;
    let plans: readonly Plan[];
    if (malformed.done < malformed.quota && (isDue(malformed) || room < 1)) {
      plans = [malformedPlan(random, flawOf(malformed.done++), at)];
    } else if (checkouts.done < checkouts.quota && (isDue(checkouts) || room < 1)) {
      plans = withDuplicates(random, cartStory(random, people, { at, end: checkoutEnd(checkouts.done++, checkouts.quota) }));
    } else {
      plans = withDuplicates(random, ordinaryStory(random, people, at));
      if (plans.length > room) plans = failureStory(random, people, at);
    }
    told += plans.length;
    yield { at, plans };
  }
}

/** By emissions, over half of the day is sessions, a quarter carts; one story in a hundred or so is an attack. */
function ordinaryStory(random: Random, people: People, at: number): Plan[] {
  const kind = random.next();
  if (kind < 0.66) return sessionStory(random, people, at);
  if (kind < 0.85) return failureStory(random, people, at);
  if (kind < 0.96) return cartStory(random, people, { at, end: "abandoned" });
  if (kind < 0.99) return adoptedStory(random, at);
  return attackStory(random, people, at);
}

/** Some events are sent again a little later, under the same id. Entries of the adopted stream are not: theirs may have no id. */
function withDuplicates(random: Random, plans: readonly Plan[]): Plan[] {
  const again = plans
    .filter((plan) => plan.emission.kind === "event" && random.chance(duplicateShare))
    .map((plan) => ({
      ...plan,
      isFirst: false,
      sendAt: plan.sendAt + 1 + Math.min(480_000, Math.round(random.exponential(20_000))),
    }));
  return [...plans, ...again];
}
