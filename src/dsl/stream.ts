import { hours } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { EntryReading, IdentityPlan, RetentionPlan, StreamPlan } from "../plan/plan.ts";
import type { StreamLayout } from "../plan/stream.ts";
import { age, callback, checkOptions, count, duration, optional, text } from "./check-options.ts";
import { type DoorOptions, doorOf } from "./door.ts";
import type { EventDraft, EventOf, EventType } from "./event.ts";
import type { Given, TypeHint } from "./hints.ts";

/** A stream whose events are `E`. */
export interface Stream<out E> {
  /** The stream as data. */
  readonly plan: StreamPlan;
  /** Carries the type parameter; there is no such value. */
  readonly _events?: E;
}

/** A type of event, whatever its data. */
// biome-ignore lint/suspicious/noExplicitAny: any type of event, whatever its data
export type AnyEventType = EventType<any, any>;

/** What is said of the events of a stream. */
export interface StreamEvents<Definition> {
  /** The types of event that the stream carries; any other type becomes a dead letter. */
  readonly events: readonly Definition[];
  /**
   * Refuses events that are older than this when they are read, milliseconds: they become dead letters, `too-old`. Give it where a
   * pipeline must know an event that comes again, and no longer than its `dedupe` remembers (24 days at most): what comes later is new to it.
   * @default 400 days
   */
  readonly maxAgeMs?: number;
  /**
   * How long the names (source and id) of events are remembered that other programs write as plain entries, in each partition and by
   * each pipeline: `{ rememberMs?, maxNames? }`, at least as long as both say, or `"forget"`. The first of a name counts; one that comes
   * again with the same content is a duplicate, and with another time or content a dead letter, `conflict`. A name costs 12 to 18 bytes
   * of Redis and about twice that of the worker's memory.
   * @default { rememberMs: hours(24), maxNames: 200_000 }
   */
  readonly identity?: Partial<IdentityPlan> | "forget";
}

/** A stream of ours, split over Redis streams by the partition key. */
export interface PartitionedStreamOptions<Definition> extends StreamEvents<Definition> {
  /**
   * How many partitions: the most workers that can share one pipeline. It cannot be changed once the stream holds events.
   * @default 8
   */
  readonly partitions?: number;
  /**
   * What is kept of the entries that every group has finished with, in each partition: `{ maxAgeMs?, maxEntries?, maxBytes? }`, or
   * `"forever"`. What exceeds any of the limits is removed, oldest first. What has not been read and acked by every group is never
   * removed.
   * @default { maxAgeMs: hours(24) }
   */
  readonly retention?: RetentionPlan | "forever";
  /**
   * What a collector takes for the stream, or `"closed"`: it takes nothing. Programs that send through Redis do not ask it.
   * @default the limits that `DoorOptions` names; closed where a pipeline writes the stream
   */
  readonly door?: DoorOptions | "closed";
}

/** A Redis stream that another program writes, one event an entry, read in place through a group of our own. */
export interface AdoptedStreamOptions<Definition> extends StreamEvents<Definition> {
  /**
   * The key of that Redis stream, whose entries hold the event as JSON in the field `data`; or with the key where else they hold it: in
   * another `field`, or in all their fields, which `read` makes an event of.
   */
  readonly adopt: string | AdoptedField | AdoptedFields<NoInfer<Definition>>;
  /**
   * Asks Headrace to trim the stream of the other program: what exceeds a limit, and every group has finished with, is removed, also
   * groups that are not Headrace's. The ids of the entries must be times, as they are when Redis gives them.
   * @default "forever": a stream that is somebody else's is not touched
   */
  readonly retention?: RetentionPlan | "forever";
}

/** Entries that hold the event as JSON in one field: `body` of Benthos, `payload` of Watermill. */
export interface AdoptedField {
  /** The key of the Redis stream. */
  readonly key: string;
  /** The field that holds the event. */
  readonly field: string;
}

/**
 * Entries of any other form. `read` gets their fields as text and their id, and returns the event; it is pure, and gets the same again
 * when an entry is replayed. An entry for which it throws is a dead letter, `unreadable`.
 *
 * @example
 * ```ts
 * const measured = defineEvent("reading.measured", z.object({ device: z.string(), celsius: z.number() }));
 * // XADD readings * device d1 celsius 21.5
 * const readings = defineStream("readings", {
 *   events: [measured],
 *   adopt: { key: "readings", read: ({ device = "", celsius }) => measured({ device, celsius: Number(celsius) }) },
 * });
 * ```
 */
export interface AdoptedFields<Definition> {
  /** The key of the Redis stream. */
  readonly key: string;
  /** Makes an event of the fields of an entry, which are text, and its id. */
  readonly read: (fields: Readonly<Record<string, string>>, id: string) => ReadDraft<Definition>;
}

/** A draft that may say more of itself. Without an id the event has a stable one from where it lies; without a time it happened then. */
export type ReadDraft<Definition> = DraftFor<EventOf<Definition>> & {
  /** Its id, with `source`. @default from where the entry lies */
  readonly id?: string;
  /** Who says so. @default the name of the stream */
  readonly source?: string;
  /** W3C trace context. @default none */
  readonly traceparent?: string;
};

const defaultRetention: RetentionPlan = { maxAgeMs: hours(24) };

/**
 * Declares a stream.
 *
 * @example
 * ```ts
 * const logins = defineStream("logins", { events: [loginSucceeded, loginFailed], partitions: 8 });
 * const theirs = defineStream("app-logins", { events: [loginSucceeded, loginFailed], adopt: "app:logins" });
 * ```
 * @throws ConfigError on a bad name, no events, a type twice, a number of partitions that is not 1 to 1024, or a retention without a limit
 */
export function defineStream<Definition extends AnyEventType>(
  name: string,
  options: PartitionedStreamOptions<Definition> | AdoptedStreamOptions<Definition>,
): Stream<EventOf<Definition>> {
  const where = `stream '${name}'`;
  if (!/^[a-z][a-z0-9-]*$/.test(name)) {
    throw new ConfigError("config.invalid", `${where}: not a name for a stream`, {
      hint: "Use lower-case letters, digits and hyphens.",
    });
  }
  const events = options.events.map((definition) => definition.plan);
  if (events.length === 0)
    throw new ConfigError("config.invalid", `${where}: carries no events`, { hint: "List its types under 'events'." });
  const types = events.map((event) => event.type);
  const twice = types.find((type, i) => types.indexOf(type) !== i);
  if (twice) throw new ConfigError("config.invalid", `${where}: lists '${twice}' twice`, { hint: "Remove one of them." });

  const { maxAgeMs } = options;
  checkOptions(where, { maxAgeMs }, { maxAgeMs: optional(age) });
  const identity = { ...remembered(options.identity, where), ...(maxAgeMs !== undefined && { maxAgeMs }) };
  if ("adopt" in options) {
    const layout = adoptedLayout(options.adopt, where);
    return { plan: { kind: "stream", name, events, layout, ...identity, ...retained(options.retention ?? "forever", where) } };
  }
  const partitions = options.partitions ?? 8;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 1024) {
    throw new ConfigError("config.invalid", `${where}: ${partitions} partitions`, { hint: "Use a whole number from 1 to 1024." });
  }
  const layout = { kind: "partitioned", partitions } as const;
  return {
    plan: {
      ...{ kind: "stream", name, events, layout },
      ...identity,
      ...retained(options.retention ?? defaultRetention, where),
      ...doorOf(options.door, where),
    },
  };
}

function adoptedLayout(adopt: string | AdoptedField | AdoptedFields<never>, where: string): StreamLayout {
  if (typeof adopt === "string") return { kind: "adopted", redisKey: adopt };
  checkOptions(where, { adopt }, { adopt: { of: { key: text, field: optional(text), read: optional(callback) } } });
  if ("field" in adopt === "read" in adopt)
    throw new ConfigError("config.invalid", `${where}: adopt says ${"field" in adopt ? "both" : "neither"} field and read`, {
      hint: "Give the field that holds the event, or the function that makes it of all fields.",
    });
  const reads: EntryReading = "field" in adopt ? { kind: "field", field: adopt.field } : { kind: "fields", read: adopt.read };
  return { kind: "adopted", redisKey: adopt.key, reads };
}

const defaultIdentity: IdentityPlan = { rememberMs: hours(24), maxNames: 200_000 };

function remembered(identity: Partial<IdentityPlan> | "forget" = {}, where: string): { readonly identity?: IdentityPlan } {
  if (identity === "forget") return {};
  checkOptions(where, { identity }, { identity: { of: { rememberMs: optional(duration), maxNames: optional(count) } } });
  return { identity: { ...defaultIdentity, ...identity } };
}

/** A limit of 0 entries or bytes would be one that can never be kept; an age of 0 means as soon as all have finished. */
const least = { maxAgeMs: 0, maxEntries: 1, maxBytes: 1 } as const;

function retained(retention: RetentionPlan | "forever", where: string): { readonly retention?: RetentionPlan } {
  if (retention === "forever") return {};
  const limits = Object.entries(retention).filter(([, limit]) => limit !== undefined);
  if (limits.length === 0) {
    throw new ConfigError("config.invalid", `${where}: its retention has no limit`, {
      hint: 'Give maxAgeMs, maxEntries or maxBytes, or write "forever".',
    });
  }
  const mins: Readonly<Record<string, number>> = least;
  for (const [name, limit] of limits) {
    const min = mins[name];
    if (min === undefined || !Number.isSafeInteger(limit) || limit < min) {
      throw new ConfigError("config.invalid", `${where}: the retention '${name}: ${limit}'`, {
        hint: "Use whole numbers: maxAgeMs from 0, maxEntries and maxBytes from 1.",
      });
    }
  }
  return { retention };
}

/** The drafts that a stream takes. */
export type DraftFor<E> = E extends { readonly type: infer Type extends string; readonly data: infer Data }
  ? EventDraft<Type, Data>
  : never;

/** Refuses a draft that the stream does not take, with a sentence. */
export type Carried<E, Draft extends EventDraft<string, unknown>> = [Draft] extends [Given<DraftFor<E>>]
  ? unknown
  : TypeHint<
      [Draft["type"]] extends [DraftFor<E>["type"]]
        ? `The data does not fit '${Draft["type"]}'`
        : `The stream carries no '${Exclude<Draft["type"], DraftFor<E>["type"]>}'`
    >;
