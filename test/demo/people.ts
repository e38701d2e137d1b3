import { type Random, zipf } from "./random.ts";

export interface People {
  readonly size: number;
  /** A user drawn by activity: few do much, most do little. */
  active(random: Random): Person;
  /** A user drawn without regard to activity. */
  any(random: Random): Person;
  /** Users worth a look of their own: busy ones, quiet ones, and all with awkward names. */
  readonly sampled: readonly string[];
}

export interface Person {
  readonly userId: string;
  readonly homeIp: string;
  readonly country: string;
}

/** Names that break whoever quotes, trims, cuts or counts bytes wrongly. The longest allowed has 256 characters. */
const awkwardNames = [
  "x".repeat(256),
  "Zoë Ångström",
  "o'brien",
  'back\\slash "quoted"',
  "山田太郎",
  " blanks  inside ",
  "tab\there",
  "null",
];
const firstNames = [
  "amara",
  "bo",
  "chen",
  "dora",
  "emre",
  "freya",
  "goran",
  "hana",
  "imani",
  "jonas",
  "kaya",
  "leo",
  "mina",
  "noor",
  "oskar",
  "pia",
];
const countries = ["DE", "DE", "DE", "FR", "GB", "IN", "BR", "US", "US", "JP"];

/** As many people as a day of `events` events needs: one for 40 events, between 50 and 20,000. */
export function createPeople(events: number): People {
  const size = Math.min(20_000, Math.max(50, Math.round(events / 40)));
  const rank = zipf(size, 0.7);
  const nameOf = (index: number): string => {
    // Every fourth of the busiest has an awkward name, so that those names get traffic enough to count.
    const awkward = index % 4 === 3 ? awkwardNames[(index - 3) / 4] : undefined;
    return awkward ?? `${firstNames[index % firstNames.length]}.${index}`;
  };
  const person = (index: number): Person => ({
    userId: nameOf(index),
    homeIp: `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}`,
    country: countries[index % countries.length] as string,
  });
  const plain = [0, 1, 2, 40, size >>> 1, size - 2, size - 1].map(nameOf);
  return {
    size,
    active: (random) => person(rank(random)),
    any: (random) => person(random.int(0, size - 1)),
    sampled: [...new Set([...plain, ...awkwardNames, ""])],
  };
}

/** How busy each hour of the day is, from midnight UTC on. */
const hourWeights = [2, 1, 1, 1, 1, 2, 4, 8, 12, 13, 12, 11, 10, 11, 12, 12, 11, 10, 9, 9, 8, 7, 5, 3];
const totalWeight = hourWeights.reduce((sum, weight) => sum + weight, 0);

/** The moment, in milliseconds after midnight, by which this share (0 to 1) of the traffic has come. Grows with the share. */
export function momentOf(share: number): number {
  let left = Math.min(Math.max(share, 0), 1) * totalWeight;
  for (const [hour, weight] of hourWeights.entries()) {
    if (left < weight) return Math.floor((hour + left / weight) * 3_600_000);
    left -= weight;
  }
  return 86_400_000 - 1;
}
