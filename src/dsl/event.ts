import type { StandardSchemaV1 } from "@standard-schema/spec";
import { ConfigError } from "../core/errors.ts";
import { notJsonIn } from "../core/json-schema.ts";
import type { EventPlan } from "../plan/plan.ts";
import { checkOptions, count } from "./check-options.ts";
import type { TypeHint } from "./hints.ts";

/** A typed fact, as a stage sees it. The attributes carry the names of CloudEvents 1.0. */
export interface Event<out Type extends string, out Data> {
  /** A UUID; an id of another form was hashed into one. */
  readonly id: string;
  /** What happened, such as `login.failed`. */
  readonly type: Type;
  /** When it happened. */
  readonly time: Date;
  /** The partition key. Events of one key keep their order. */
  readonly key: string;
  /** Who said so; the name of the stream where the producer did not tell. */
  readonly source: string;
  /** W3C trace context, where the producer gave one. */
  readonly traceparent?: string;
  /** What its schema made of what was sent. */
  readonly data: Data;
}

/** An event that is still to be sent: what `emit` and `to.<stream>` take. */
export interface EventDraft<out Type extends string, out Data> {
  /** What happened, such as `login.failed`. */
  readonly type: Type;
  /** Its data, as the schema of the type takes it. */
  readonly data: Data;
  /** When it happened; the time of its cause where it is left out. */
  readonly time?: Date | undefined;
}

/** A type of event. Call it to make a draft: `loginAttackSuspected({ userId, since, failures })`. */
export interface EventType<out Type extends string, in out Data> {
  (data: Data, at?: { readonly time?: Date | undefined }): EventDraft<Type, Data>;
  /** The type of event as data. */
  readonly plan: EventPlan;
  /** Carries the type parameters; there is no such value. */
  readonly _event?: Event<Type, Data>;
}

/** The event that a definition describes. */
// biome-ignore lint/suspicious/noExplicitAny: matches every definition, whatever its data
export type EventOf<Definition> = Definition extends EventType<any, any> ? NonNullable<Definition["_event"]> : never;

/** What is said of a type of event beside its schema. */
export interface EventOptions<in Data> {
  /** The partition key. Events of one key are kept in order. @default all events of the type share the empty key */
  readonly key?: (data: Data) => string;
  /**
   * Raise it when the schema changes in a way that older data does not fit, and say in `upcast` what becomes of that.
   * @default 1
   */
  readonly version?: number;
  /**
   * Brings data of a version to the next one, by the version that it comes from: `{ 1: (data) => …, 2: (data) => … }`. The last step
   * makes what the schema takes. What throws, or does not fit the schema afterwards, is a dead letter.
   * @default none: data of an older version must fit the schema as it is
   */
  readonly upcast?: Readonly<Record<number, (data: unknown) => unknown>>;
}

/** A type as JSON brings it: nothing fits where that is another one. */
export type JsonOf<T> = T extends string | number | boolean | null | undefined
  ? T
  : unknown extends T
    ? T
    : T extends bigint | symbol | ((...args: never) => unknown)
      ? never
      : { [K in keyof T]: JsonOf<T[K]> };

/** Refuses a schema whose events nobody could send, with a sentence. */
export type JsonData<Input, Data> = unknown extends Input
  ? unknown
  : [Input] extends [JsonOf<Input>]
    ? [Data] extends [Input]
      ? unknown
      : TypeHint<"The schema turns what it takes into another type: take what is sent, and turn it into something else in a stage">
    : TypeHint<"Data is JSON: the schema takes what JSON cannot hold, such as a Date, a bigint, a Map or a class">;

/**
 * Declares a type of event.
 *
 * @param type its name, in the past tense and lower case: `login.succeeded`
 * @param schema any Standard Schema (zod, valibot, arktype …) for `data`; it must answer synchronously, take what JSON can hold, and
 *   give what it takes: checks and defaults, no other type. Drafts are typed by what it gives
 * @throws ConfigError when the schema takes what JSON cannot hold (as far as its library tells; the types tell always), the name is not lower-case words joined by dots, or a step of `upcast` leads nowhere
 * @example
 * ```ts
 * const loginFailed = defineEvent("login.failed", z.object({ userId: z.string(), ip: z.string() }), { key: (data) => data.userId });
 * ```
 */
export function defineEvent<const Type extends string, Input, Data>(
  type: Type,
  schema: StandardSchemaV1<Input, Data> & JsonData<Input, Data>,
  options: EventOptions<NoInfer<Data>> = {},
): EventType<Type, Data> {
  if (!/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/.test(type)) {
    throw new ConfigError("config.invalid", `'${type}' is not a name for an event`, {
      hint: "Use lower-case words joined by dots, the last in the past tense, such as 'login.succeeded'.",
    });
  }
  const odd = notJsonIn(schema);
  if (odd) {
    throw new ConfigError("config.invalid", `event '${type}': its schema takes a ${odd.what}${odd.at ? ` at '${odd.at}'` : ""}`, {
      hint: "Data is JSON: take text or a number there (z.iso.datetime(), z.string(), z.record()), and make something else of it in a stage.",
    });
  }
  const { version = 1, upcast } = options;
  checkOptions(`event '${type}'`, { version }, { version: count });
  const stray = Object.keys(upcast ?? {}).find((from) => !(Number(from) >= 1 && Number(from) < version));
  if (stray !== undefined) {
    throw new ConfigError("config.invalid", `event '${type}': upcast begins at version ${stray}, and the event's is ${version}`, {
      hint: `Give steps from versions 1 to ${version - 1}, or raise the version.`,
    });
  }
  const plan: EventPlan = {
    kind: "event",
    type,
    version,
    schema,
    ...(upcast && { upcast }),
    keyOf: options.key ?? (() => ""),
  };
  const draft = (data: Data, at: { readonly time?: Date | undefined } = {}): EventDraft<Type, Data> => ({ type, data, ...at });
  return Object.assign(draft, { plan });
}
