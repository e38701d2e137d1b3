import { describe, expect, it } from "vitest";
import { z } from "zod";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { Producer } from "../../../src/bus/producer.ts";
import { refusedReasons } from "../../../src/collector/answer.ts";
import { Door, type DoorProducer } from "../../../src/collector/door.ts";
import { splitRequest } from "../../../src/collector/formats.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { eventId } from "../../../src/core/hash.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { defineEvent } from "../../../src/dsl/event.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { type DoorPlan, defaultDoor } from "../../../src/plan/door.ts";
import { entriesOf } from "../../support/frames-of.ts";

const failed = defineEvent("login.failed", z.object({ userId: z.string(), ip: z.string() }), { key: ({ userId }) => userId });
const odd = defineEvent("odd.happened", z.object({ n: z.number() }), {
  key: ({ n }) => {
    if (n > 1) throw new Error("no key for this");
    return String(n);
  },
});
const logins = defineStream("logins", { events: [failed, odd], partitions: 4, maxAgeMs: 3_600_000 }).plan;

/** A login that failed, as a client writes it. */
const login = (more: object = {}) => ({ type: "login.failed", data: { userId: "ada", ip: "203.0.113.7" }, ...more });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

function setUp(plan: Partial<DoorPlan> = {}) {
  const bus = new MemoryBus(systemClock);
  const options = { stream: logins, producer: "door", lingerMs: 1 };
  const door = new Door(
    logins,
    { ...defaultDoor, ...plan },
    {
      producer: new Producer(options, { bus, clock: systemClock, logger: silentLogger }),
      clock: systemClock,
      limit: async () => undefined,
    },
  );
  const post = async (
    body: Buffer | string,
    headers: Readonly<Record<string, string>> = { "content-type": "application/json" },
  ) => door.accept(splitRequest(headers, Buffer.from(body as never)));
  /** What is stored at a position. */
  const at = async (position = "") => {
    const [, name, entry, index] = /^(.*):(.*)#(\d+)$/.exec(position) ?? [];
    const partition = partitionsOf(logins).find((one) => one.name === name) as Partition;
    return (await entriesOf(bus, partition)).find(({ id }) => id === entry)?.envelopes[Number(index)];
  };
  const count = async () => {
    let all = 0;
    for (const partition of partitionsOf(logins))
      for (const { envelopes } of await entriesOf(bus, partition)) all += envelopes.length;
    return all;
  };
  return { post, at, count };
}

describe("a door", () => {
  it("stores the events of a request, and says of each where it is", async () => {
    const { post, at } = setUp();
    const source = "https://shop.example";
    const answer = await post(
      json(
        [
          login({
            id: "one",
            source,
            time: "2026-11-30T10:00:00Z",
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          }),
          login(),
        ].map((event) => ({ ...event, time: new Date().toISOString() })),
      ),
    );
    expect(answer).toMatchObject({ stored: 2, duplicate: 0, refused: 0, retry: 0, durability: "memory" });
    const [first, second] = answer.results;
    expect(first).toMatchObject({ i: 0, id: "one", result: "stored" });
    const stored = await at((first as { position?: string }).position);
    expect(stored).toMatchObject({ id: eventId("one", source), source, data: { userId: "ada", ip: "203.0.113.7" } });
    expect(stored?.traceparent).toContain("0af7651916cd43dd8448eb211c80319c");
    expect((await at((second as { position?: string }).position))?.id).toBe(second?.id);
  });

  it("gives an event without a time the time at which it came", async () => {
    const { post, at } = setUp();
    const before = Date.now();
    const { results } = await post(json(login()));
    const time = (await at((results[0] as { position?: string }).position))?.time ?? 0;
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  it("answers for every event by its index, and a broken one costs its neighbours nothing", async () => {
    const { post, count } = setUp({ maxEventBytes: 2_000 });
    const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
    const broken: readonly [text: string | Buffer, reason: string, detail?: string][] = [
      ["{nonsense", "not-json"],
      ["7", "not-an-object"],
      [Buffer.from([0x22, 0xff, 0xfe, 0x22]), "not-utf8"],
      [JSON.stringify(login({ pad: "x".repeat(2_000) })), "too-large", "2000 are the limit"],
      [`{"type":"login.failed","data":${deep}}`, "too-deep"],
      ['{"type":"login.failed","data":{"userId":"\\ud83d","ip":""}}', "half-character"],
      [JSON.stringify(login({ id: 7 })), "bad-id"],
      [JSON.stringify(login({ source: 7 })), "bad-source"],
      [JSON.stringify({ data: {} }), "no-type"],
      [JSON.stringify(login({ time: "yesterday" })), "bad-time"],
      [JSON.stringify(login({ version: "x" })), "bad-version"],
      [JSON.stringify(login({ type: "logout" })), "unknown-type", "login.failed, odd.happened"],
      [JSON.stringify(login({ time: "2020-01-01T00:00:00Z" })), "time-out-of-range"],
      [JSON.stringify(login({ time: new Date(Date.now() - 7_200_000).toISOString() })), "too-old"],
      [JSON.stringify(login({ version: 9 })), "version-unknown"],
      [JSON.stringify(login({ data: { userId: "ada", ip: 7 } })), "schema", "ip"],
      [JSON.stringify({ type: "odd.happened", data: { n: 2 } }), "unreadable", "no key for this"],
    ];
    const good = json(login());
    const lines = broken.flatMap(([text]) => [good, Buffer.from("\n"), Buffer.from(text as never), Buffer.from("\n")]);
    const { results, ...counts } = await post(Buffer.concat(lines), { "content-type": "application/x-ndjson" });
    expect(counts).toMatchObject({ stored: broken.length, refused: broken.length, retry: 0 });
    expect(results.map(({ i }) => i)).toEqual(Array.from({ length: 2 * broken.length }, (_, i) => i));
    for (const [k, [, reason, detail = ""]] of broken.entries()) {
      expect(results[2 * k]).toMatchObject({ result: "stored" });
      expect(results[2 * k + 1]).toMatchObject({ result: "refused", reason, detail: expect.stringContaining(detail) });
    }
    expect(await count()).toBe(broken.length);
    const listed = new Set(Object.keys(refusedReasons));
    expect(broken.map(([, reason]) => reason).filter((reason) => !listed.has(reason))).toEqual([]);
    // All that are listed were tried here, but for those of CloudEvents.
    expect([...listed].filter((reason) => !broken.some(([, tried]) => tried === reason))).toEqual(["not-a-cloudevent"]);
  });

  it("does the same within a JSON array", async () => {
    const { post } = setUp();
    const { results } = await post(`[${JSON.stringify(login())}, {"type":}, ${JSON.stringify(login({ type: "logout" }))}]`);
    expect(results.map(({ result }) => result)).toEqual(["stored", "refused", "refused"]);
  });

  it("refuses a request as a whole where its array does not end, where it holds too many, or is of a form that is not taken", async () => {
    const { post, count } = setUp({ maxEvents: 2 });
    const refused = (body: string, media = "application/json") =>
      post(body, { "content-type": media }).then(
        () => "taken",
        (error) => error.problem,
      );
    expect(await refused(`[${JSON.stringify(login())},`)).toBe("malformed");
    expect(await refused(JSON.stringify([login(), login(), login()]))).toBe("too-large");
    expect(await refused(JSON.stringify(login()), "application/xml")).toBe("unsupported");
    expect(await refused(JSON.stringify(login()), "constructor")).toBe("unsupported");
    expect(await count()).toBe(0);
  });

  it("offers nothing behind an event that had no room, so that none overtakes that of its key", async () => {
    const offered: string[] = [];
    const door = doorBefore(async ({ id }) => {
      offered.push(id);
      if (offered.length === 3) throw new RetryableError("producer.overloaded", "no room");
      return { partition: "logins/00", index: 0, stored: Promise.resolve("1-0") };
    });
    const events = ["a", "b", "c", "d", "e"].map((id) => login({ id }));
    const { results, ...counts } = await door.accept(splitRequest({ "content-type": "application/json" }, json(events)));
    expect(counts).toMatchObject({ stored: 2, retry: 3 });
    expect(offered).toEqual(["a", "b", "c"].map((id) => eventId(id)));
    expect(results[4]).toEqual({ i: 4, id: "e", result: "retry", reason: "overloaded" });
  });

  it("says which events Redis has not confirmed, and that it is away", async () => {
    const unconfirmed = doorBefore(async ({ id }) => ({
      ...{ partition: "logins/00", index: 0 },
      stored: id === eventId("b") ? Promise.reject(new Error("no answer")) : Promise.resolve("1-0"),
    }));
    const events = splitRequest({ "content-type": "application/json" }, json(["a", "b", "c"].map((id) => login({ id }))));
    const { results } = await unconfirmed.accept(events);
    expect(results.map(({ result }) => result)).toEqual(["stored", "retry", "stored"]);
    expect(results[1]).toEqual({ i: 1, id: "b", result: "retry", reason: "unconfirmed" });
    const away = doorBefore(() => Promise.reject(new RetryableError("service.unreachable", "the breaker is open")));
    expect((await away.accept(events)).results[0]).toEqual({ i: 0, id: "a", result: "retry", reason: "away" });
  });
});

describe("CloudEvents", () => {
  const cloud = (more: object = {}) => ({ specversion: "1.0", id: "7", source: "urn:shop", ...login(), ...more });
  const structured = { "content-type": "application/cloudevents+json; charset=utf-8" };
  const binary = { "ce-specversion": "1.0", "ce-id": "7", "ce-source": "urn:shop", "ce-type": "login.failed" };

  it("come in each of their modes, under the same name", async () => {
    const { post, at } = setUp();
    const answers = [
      await post(json(cloud()), structured),
      await post(json([cloud()]), { "content-type": "application/cloudevents-batch+json" }),
      await post(json(login().data), { ...binary, "content-type": "application/json" }),
      await post(json(cloud({ data: undefined, data_base64: json(login().data).toString("base64") })), structured),
    ];
    for (const { results } of answers) {
      expect(results).toMatchObject([{ i: 0, id: "7", result: "stored" }]);
      const stored = await at((results[0] as { position?: string }).position);
      expect(stored).toMatchObject({ id: eventId("7", "urn:shop"), source: "urn:shop", data: login().data });
    }
  });

  it("have their attributes in headers percent-encoded", async () => {
    const { post, at } = setUp();
    const { results } = await post(json(login().data), { ...binary, "ce-source": "urn:caf%C3%A9" });
    expect(await at((results[0] as { position?: string }).position)).toMatchObject({ source: "urn:café" });
  });

  it.each([
    ["another version of the specification", { specversion: "0.3" }],
    ["no id", { id: undefined }],
    ["an empty source", { source: "" }],
    ["both kinds of data", { data_base64: "e30=" }],
  ])("with %s are refused", async (_, more) => {
    const { post } = setUp();
    const { results } = await post(json(cloud(more)), structured);
    expect(results).toMatchObject([{ result: "refused", reason: "not-a-cloudevent" }]);
  });

  it("whose headers are no percent-encoded text are refused", async () => {
    const { post } = setUp();
    const { results } = await post(json(login().data), { ...binary, "ce-source": "%E9" });
    expect(results).toMatchObject([
      { result: "refused", reason: "not-a-cloudevent", detail: expect.stringContaining("ce-source") },
    ]);
  });
});

/** A door whose producer does this. */
const doorBefore = (sendAdmitted: DoorProducer["sendAdmitted"]) =>
  new Door(logins, defaultDoor, { producer: { sendAdmitted }, clock: systemClock, limit: async () => undefined });
