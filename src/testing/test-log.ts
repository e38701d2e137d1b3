import type { Envelope } from "../bus/envelope.ts";
import { MemoryBus } from "../bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../bus/partition.ts";
import { Producer } from "../bus/producer.ts";
import { ConfigError } from "../core/errors.ts";
import { getOrMake } from "../core/get-or-make.ts";
import { eventId, uuidOf } from "../core/hash.ts";
import { silentLogger } from "../core/log.ts";
import { nth } from "../core/nth.ts";
import type { EventDraft } from "../dsl/event.ts";
import { openEntry } from "../engine/process/open-entry.ts";
import type { StreamPlan } from "../plan/plan.ts";
import { type Reorder, reordered } from "./reordered.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** An event to send: a draft, and its id where it is to come again. Without a time it happens now. */
export type TestEvent = EventDraft<string, unknown> & {
  /** @default a new one each time */
  readonly id?: string;
  /** @default it belongs to no trace */
  readonly traceparent?: string;
};

/** What a producer stores. */
interface SentEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly source?: string;
  readonly traceparent?: string | undefined;
}

/** The streams of a test, in memory. */
export class TestLog {
  readonly bus: MemoryBus;
  readonly #clock: VirtualClock;
  readonly #producers = new Map<string, Producer>();
  #order: Reorder | undefined;
  #sent = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    this.bus = new MemoryBus(clock);
  }

  /** The events of the next `send` come out of the order of their times. */
  reorder(how: Reorder): void {
    this.#order = how;
  }

  /** Stores events, and resolves when they are stored. The events of one call to one partition are one frame. */
  async send(stream: StreamPlan, events: readonly TestEvent[]): Promise<void> {
    const told = events.map(({ id, type, data, time, traceparent }) => ({
      ...{ id: id === undefined ? uuidOf(`test ${this.#sent++}`) : eventId(id), type, data, traceparent },
      at: time?.getTime() ?? this.#clock.now(),
    }));
    const inOrder = this.#order ? reordered(told, this.#order) : told;
    this.#order = undefined;
    for (const one of inOrder) {
      if (stream.layout.kind === "partitioned") await this.tell(stream, one, "test");
      else
        this.add(stream, {
          data: JSON.stringify({ ...one, at: undefined, time: new Date(one.at).toISOString() }),
        });
    }
    await Promise.all([...this.#producers.values()].map((producer) => this.#clock.settle(producer.flush())));
  }

  /** Stores one event; `stored` resolves once it is, for which time has to pass. */
  async tell(
    stream: StreamPlan,
    { id, type, data, at, source, traceparent }: SentEvent,
    producer: string,
  ): Promise<{ readonly stored: Promise<unknown> }> {
    const deps = { bus: this.bus, clock: this.#clock, logger: silentLogger };
    const one = getOrMake(this.#producers, `${producer} ${stream.name}`, () => new Producer({ stream, producer }, deps));
    const told = await one.send({ id, type, time: at, source, traceparent, data });
    told.stored.catch(() => {}); // flush tells
    return told;
  }

  /** Sends at once: a producer waits for further events by the machine's clock, and the time of the test would go on meanwhile. */
  hasten(): void {
    for (const producer of this.#producers.values()) producer.flush().catch(() => {}); // the caller is told
  }

  /** Stores an entry as it is, as another program's XADD does. */
  add(stream: StreamPlan, fields: Readonly<Record<string, string | Buffer>>): void {
    const [partition] = partitionsOf(stream);
    if (stream.layout.kind !== "adopted" || !partition) {
      throw new ConfigError("usage", `stream '${stream.name}' is not adopted`, {
        hint: "Use send() for a stream of your own.",
      });
    }
    this.bus.appendPlain(partition, fields);
  }

  /** Stores all that was stored once more, entry by entry. */
  redeliver(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      for (const { fields } of this.bus.entriesOf(partition)) {
        const named = fields.flatMap((name, i) => (i % 2 === 0 ? [[String(name), nth(fields, i + 1)] as const] : []));
        this.bus.appendPlain(partition, Object.fromEntries(named));
      }
    }
  }

  /** Every event of a stream, partition by partition. */
  eventsOf(stream: StreamPlan): readonly Envelope[] {
    return partitionsOf(stream)
      .flatMap((partition) =>
        this.bus.entriesOf(partition).map((entry) => openEntry(partition, { ...entry, deliveries: 1, events: 1 })),
      )
      .flatMap((entry) =>
        entry.kind === "opened"
          ? Array.from({ length: entry.envelopes.length }, (_, i) => entry.envelopes.at(i) as Envelope)
          : [],
      );
  }
}
