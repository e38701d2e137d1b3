import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Fence } from "../../../src/bus/port.ts";
import { days, hours, minutes } from "../../../src/core/duration.ts";
import type { Logger } from "../../../src/core/log.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { Trimmer } from "../../../src/engine/trimmer.ts";
import type { StreamPlan } from "../../../src/plan/plan.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { refuseCalls } from "../../support/interpose.ts";
import { numbered } from "../../support/numbered.ts";
import { thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const events = [thingHappened];

describe("a trimmer", () => {
  let clock: VirtualClock;
  let bus: MemoryBus;
  let warnings: { readonly fields: object; readonly message: string }[];
  let logger: Logger;
  beforeEach(() => {
    clock = new VirtualClock();
    bus = numbered(new MemoryBus(clock));
    warnings = [];
    logger = { ...silentLogger, warn: (fields, message) => void warnings.push({ fields, message }) };
  });

  const group = async (partition: Partition, name: string): Promise<Fence> => {
    const acquired = await bus.acquire(partition, name, { owner: "w", ttlMs: days(30) });
    if (acquired.kind !== "owned") throw new Error("taken");
    return { partition, pipeline: name, owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
  };
  const finish = async (fence: Fence): Promise<number> => {
    const read = await bus.read(fence, { from: "new", after: "0-0", count: 1_000 });
    if (read.kind !== "entries") throw new Error(read.kind);
    await bus.commit(fence, {
      number: 0,
      reads: 0,
      entries: read.entries.map(({ id }) => id),
      counts: {},
      deadLetters: [],
      keyed: undefined,
      derived: [],
      checkpoint: undefined,
    });
    return read.entries.length;
  };
  const trimming = (stream: StreamPlan, groups: readonly string[] = ["own"]) => {
    const partition = partitionsOf(stream)[0] as Partition;
    const stop = new AbortController();
    const trimmer = new Trimmer({ bus, clock, logger });
    const work = () => clock.sleep(Number.MAX_SAFE_INTEGER, stop.signal);
    const done = trimmer.during({ partition, stream, groups }, work);
    const end = () => {
      stop.abort();
      return clock.settle(done);
    };
    return { partition, end };
  };

  it("removes what every group has finished with once it is a day old, where the stream says nothing else", async () => {
    const { partition, end } = trimming(things().plan);
    const own = await group(partition, "own");
    for (let n = 0; n < 5; n++) bus.appendPlain(partition, { data: "x" });
    await finish(own);
    await clock.advance(hours(23));
    expect(bus.entriesOf(partition)).toHaveLength(5);
    await clock.advance(hours(1) + minutes(1));
    expect(bus.entriesOf(partition)).toHaveLength(0);
    await end();
    expect(warnings).toEqual([]);
  });

  it("says which group keeps a stream from being trimmed, how far behind it is and how to remove it; once an hour", async () => {
    const { partition, end } = trimming(things().plan);
    const own = await group(partition, "own");
    await group(partition, "retired");
    for (let n = 0; n < 5; n++) bus.appendPlain(partition, { data: "x" });
    await finish(own);
    await clock.advance(hours(24) + minutes(9));
    expect(warnings).toEqual([]);
    await clock.advance(minutes(2));
    expect(warnings).toEqual([
      {
        fields: expect.objectContaining({ partition: "things/00", group: "retired", pendingEntries: 0, lagEntries: 5 }),
        message: expect.stringMatching(
          /'retired' keeps 'things' from being trimmed.*XGROUP DESTROY 'hr:\{things:00\}:s' retired/,
        ),
      },
    ]);
    await clock.advance(minutes(50));
    expect(warnings).toHaveLength(1);
    await clock.advance(minutes(20));
    expect(warnings).toHaveLength(2);
    expect(bus.entriesOf(partition)).toHaveLength(5);
    await end();
  });

  it("keeps everything for a pipeline of the application that has never read, and says so", async () => {
    const { partition, end } = trimming(things().plan, ["own", "late"]);
    const own = await group(partition, "own");
    bus.appendPlain(partition, { data: "x" });
    await finish(own);
    await clock.advance(days(2));
    expect(warnings[0]?.message).toMatch(/start the pipeline 'late', which has never read it/);
    expect(warnings[0]?.message).not.toMatch(/DESTROY/);
    expect(await finish(await group(partition, "late"))).toBe(1);
    await clock.advance(minutes(1));
    expect(bus.entriesOf(partition)).toHaveLength(0);
    await end();
  });

  it("leaves an adopted stream alone, unless its definition has a retention", async () => {
    for (const [retention, expected] of [
      [undefined, 3],
      [{ maxAgeMs: hours(1) }, 0],
      ["forever", 3],
    ] as const) {
      const name = `theirs-${expected}-${typeof retention}`;
      const stream = defineStream(name, { events, adopt: name, ...(retention !== undefined && { retention }) });
      const { partition, end } = trimming(stream.plan);
      const own = await group(partition, "own");
      for (let n = 0; n < 3; n++) bus.appendPlain(partition, { data: "x" });
      await finish(own);
      await clock.advance(days(3));
      expect(bus.entriesOf(partition), name).toHaveLength(expected);
      await end();
    }
  });

  it("forgets producers after a week of silence, also of a stream that is kept for ever", async () => {
    const stream = defineStream("kept", { events, partitions: 1, retention: "forever" });
    const { partition, end } = trimming(stream.plan);
    const frame = (sequence: number) =>
      ({
        producer: "p",
        incarnation: 1,
        sequence,
        count: 1,
        codec: "j",
        minTime: 0,
        maxTime: 0,
        checksum: "",
        body: Buffer.of(),
      }) as const;
    await bus.append(partition, frame(0));
    await clock.advance(days(6));
    expect(await bus.append(partition, frame(0))).toEqual({ kind: "duplicate" });
    await clock.advance(days(1) + hours(2));
    expect(await bus.append(partition, frame(1))).toEqual({ kind: "gap", last: -1 });
    await end();
  });

  it("goes on after Redis was away", async () => {
    let isAway = true;
    const partition = partitionsOf(things().plan)[0] as Partition;
    const own = await group(partition, "own");
    bus.appendPlain(partition, { data: "x" });
    await finish(own);
    const stop = new AbortController();
    const trimmer = new Trimmer({ bus: refuseCalls(bus, () => isAway), clock, logger });
    const done = trimmer.during({ partition, stream: things().plan, groups: ["own"] }, () => clock.sleep(days(9), stop.signal));
    await clock.advance(days(2));
    expect(bus.entriesOf(partition)).toHaveLength(1);
    isAway = false;
    await clock.advance(minutes(1));
    expect(bus.entriesOf(partition)).toHaveLength(0);
    stop.abort();
    await clock.settle(done);
  });
});

describe("a worker", () => {
  it("trims what it owns, and keeps what a pipeline that runs elsewhere has not read", async () => {
    const bench = new Workbench();
    const stream = defineStream("things", { events, partitions: 1, retention: { maxAgeMs: minutes(1) } });
    const partition = partitionsOf(stream.plan)[0] as Partition;
    const to = clickhouse(thingTable("rows"));
    const [here, elsewhere] = [
      pipeline("here").from(stream).to(to, thingRow),
      pipeline("elsewhere").from(stream).to(to, thingRow),
    ];
    await bench.send(stream.plan, [envelopeOf(1, "thing.happened", { key: "k", n: 1 })]);
    const worker = bench.start([here], { others: [elsewhere.plan] });
    await bench.clock.advance(minutes(5));
    expect(bench.bus.entriesOf(partition)).toHaveLength(1);
    const other = bench.start([elsewhere]);
    await bench.clock.advance(minutes(1));
    expect(bench.bus.entriesOf(partition)).toHaveLength(0);
    await Promise.all([worker.stop(), other.stop()]);
  });
});
