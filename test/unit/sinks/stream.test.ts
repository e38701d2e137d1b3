import { describe, expect, it } from "vitest";
import { logins } from "../../../pipelines/streams.ts";
import { EntryFields } from "../../../src/bus/fields.ts";
import { MemoryBus } from "../../../src/bus/memory.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { Producer } from "../../../src/bus/producer.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { createRateLimit } from "../../../src/core/rate-limit.ts";
import { StreamSink } from "../../../src/sinks/stream.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const stream = { ...logins.plan, layout: { kind: "partitioned", partitions: 1 } } as const;
const [partition] = partitionsOf(stream) as [Partition];
const failure = (n: number) => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  type: "login.failed",
  time: 1_795_600_000_000 + n,
  source: undefined,
  traceparent: undefined,
  data: { userId: "eve", ip: "::1" },
});

describe("the stream sink", () => {
  it("keeps the order of its writes, also where a full lane lets the first one wait", async () => {
    const bus = new MemoryBus(systemClock);
    const sink = new StreamSink(
      new Producer({ stream, producer: "p", lingerMs: 0 }, { bus, clock: systemClock, logger: silentLogger }),
    );
    const first = Array.from({ length: 20_000 }, (_, i) => failure(i));
    const second = Array.from({ length: 100 }, (_, i) => failure(20_000 + i));
    await Promise.all([sink.write(first), sink.write(second)]);
    const fence = { partition, pipeline: "x", owner: "w", epoch: 1 };
    await bus.acquire(partition, "x", { owner: "w", ttlMs: 60_000 });
    const read = await bus.read(fence, { from: "new", after: "0-0", count: 1_000 });
    const entries = read.kind === "entries" ? read.entries : [];
    const ids = entries.flatMap(({ fields = [] }) => decodeAll(new EntryFields(fields)).map(({ id }) => id));
    expect(ids).toEqual([...first, ...second].map(({ id }) => id));
  });

  it("rejects an event that the stream does not carry, and stores its siblings", async () => {
    const bus = new MemoryBus(systemClock);
    const sink = new StreamSink(
      new Producer({ stream, producer: "p", lingerMs: 0 }, { bus, clock: systemClock, logger: silentLogger }),
    );
    const { rejected } = await sink.write([failure(1), { ...failure(2), type: "cart.created" }, failure(3)]);
    expect(rejected).toEqual([{ row: 1, reason: "stream 'logins' carries no 'cart.created'" }]);
    expect((await bus.state(partition, "x")).lagEntries).toBe(1);
  });

  it("writes no more events a second than its limit, and gives up what waits when it is told to", async () => {
    const clock = new VirtualClock();
    const bus = new MemoryBus(clock);
    const giveUp = new AbortController();
    const producer = new Producer({ stream, producer: "p", lingerMs: 0 }, { bus, clock, logger: silentLogger });
    const limit = createRateLimit({ perSecond: 10, burst: 5 }, clock);
    const sink = new StreamSink(producer, { limit, signal: giveUp.signal });
    const all = Array.from({ length: 25 }, (_, i) => failure(i));
    const writes = Promise.all([sink.write(all.slice(0, 10)), sink.write(all.slice(10))]);
    await clock.advance(1_999);
    expect(sink.inFlightRows).toBeGreaterThan(0);
    await clock.advance(1);
    await writes;
    expect(sink.inFlightRows).toBe(0);
    const waiting = sink.write([failure(25)]);
    giveUp.abort(new Error("shutting down"));
    await expect(clock.settle(waiting)).rejects.toThrow("shutting down");
  });

  it("gives up when it is told to, instead of waiting for a bus that is away", async () => {
    const bus = new MemoryBus(systemClock);
    bus.append = () => Promise.reject(new RetryableError("service.unreachable", "away"));
    const giveUp = new AbortController();
    const deps = { bus, clock: systemClock, logger: silentLogger, signal: giveUp.signal };
    const sink = new StreamSink(new Producer({ stream, producer: "p", lingerMs: 0 }, deps));
    const writing = sink.write([failure(1)]);
    giveUp.abort();
    await expect(writing).rejects.toThrow("away");
  });
});
