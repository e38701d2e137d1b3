import { percentileOf } from "./figures.ts";
import type { Insert } from "./tap.ts";

/** An open loop: event number k is due at `dueAt + k / rate`, whatever has become of those before. */
export interface Schedule {
  /** When the first event is due, milliseconds since the epoch. */
  readonly dueAt: number;
  /** Events a second. */
  readonly rate: number;
  /** All of them. */
  readonly events: number;
  /** So many of the first are sent to warm up, and not counted. */
  readonly warmUp: number;
}

/** From when an event was due to when ClickHouse had it. */
export interface Latencies {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly insertsPerSecond: number;
}

/** What came of a schedule. An event that was inserted twice counts with the first time. Throws when one never came. */
export function latenciesOf(inserts: readonly Insert[], { dueAt, rate, events, warmUp }: Schedule): Latencies {
  const queryableAt = new Float64Array(events).fill(Number.POSITIVE_INFINITY);
  for (const { at, body } of inserts) {
    for (const number of numbersIn(body)) queryableAt[number] = Math.min(queryableAt[number] ?? at, at);
  }
  const dueOf = (number: number) => dueAt + (number * 1_000) / rate;
  const latencies = queryableAt.map((at, number) => at - dueOf(number));
  const lost = latencies.indexOf(Number.POSITIVE_INFINITY);
  if (lost >= 0) throw new Error(`event ${lost} of ${events} was in no insert`);
  const counted = latencies.slice(warmUp).sort();
  const [from, to] = [dueOf(warmUp), dueOf(events)];
  const insertsMeanwhile = inserts.filter(({ at }) => at >= from && at < to).length;
  return {
    p50Ms: percentileOf(counted, 50),
    p99Ms: percentileOf(counted, 99),
    maxMs: percentileOf(counted, 100),
    insertsPerSecond: (insertsMeanwhile * 1_000) / (to - from),
  };
}

/** The ids that peers/send.mjs makes carry the number of the event, so that it is seen in the rows alone. */
const asText = /00000000-0000-4000-8000-(\d{12})/g;
/** As Native keeps a UUID: two words of eight bytes, each from its last byte to its first. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: bytes
const asWords = /\x00\x40\x00{6}([\s\S]{6})\x00\x80/g;

/** The numbers of the events whose rows an insert holds, in JSON or in Native. */
export function numbersIn(body: Buffer): readonly number[] {
  const bytes = body.toString("latin1");
  const texts = [...bytes.matchAll(asText)].map(([, digits]) => Number(digits));
  if (texts.length > 0) return texts;
  return [...bytes.matchAll(asWords)].flatMap(([, word]) => {
    const number = Number(
      Buffer.from(word as string, "latin1")
        .reverse()
        .toString("hex"),
    );
    return Number.isInteger(number) ? [number] : [];
  });
}
