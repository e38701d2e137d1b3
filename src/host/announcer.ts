import { Context } from "@temporalio/activity";
import type { AppendLog } from "../bus/port.ts";
import { Producer } from "../bus/producer.ts";
import { systemClock } from "../core/clock.ts";
import { getOrMake } from "../core/get-or-make.ts";
import { eventId } from "../core/hash.ts";
import type { EventDraft } from "../dsl/event.ts";
import type { Carried, Stream } from "../dsl/stream.ts";
import { usedStream } from "../dsl/used-stream.ts";
import { traceparentOfActivity } from "../trace/activity.ts";
import type { RoleContext } from "./role.ts";

/**
 * Stores an event in a stream of the application, once for each id, and resolves when it is stored. Its time is the draft's, or when the
 * activity was first asked for: the same over all its tries. It carries on the trace of the workflow that has called the activity.
 *
 * @throws RetryableError while Redis is away; TerminalError where the data does not fit its schema; ConfigError where the application does not use the stream
 */
export type Announce = <E, const Draft extends AnnouncedDraft>(
  stream: Stream<E>,
  draft: Draft & Carried<E, Draft>,
) => Promise<void>;

/** An event that an activity tells: `{ id, ...orderPlaced(data) }`. The same id is the same event, however often it is told. */
export interface AnnouncedDraft extends EventDraft<string, unknown> {
  /** A UUID, or any other text: that is hashed into one. */
  readonly id: string;
}

/** Stores events of activities; a producer for each stream. */
export function createAnnouncer({ app, instance, logger }: Pick<RoleContext, "app" | "instance" | "logger">, bus: AppendLog) {
  const producers = new Map<string, Producer>();
  const open = (stream: Stream<unknown>) =>
    new Producer(
      { stream: usedStream(app, stream), producer: `sagas/${instance}`, lingerMs: 5 },
      { bus, clock: systemClock, logger },
    );
  const announce: Announce = async (stream, { id, type, time, data }: AnnouncedDraft) => {
    const producer = getOrMake(producers, stream.plan?.name, () => open(stream));
    const at = time?.getTime() ?? Context.current().info.scheduledTimestampMs;
    const event = { id: eventId(id), type, time: at, source: "sagas", traceparent: traceparentOfActivity(), data };
    await (await producer.send(event)).stored;
  };
  return {
    announce,
    flush: () => Promise.all([...producers.values()].map((producer) => producer.flush().catch(() => {}))),
  };
}
