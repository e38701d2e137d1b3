import { describe, expect, test } from "vitest";
import { latenciesOf, numbersIn } from "../../../bench/latencies.ts";
import { loginEvents } from "../../../pipelines/tables.ts";
import { compileEncoder } from "../../../src/sinks/clickhouse/native/encoder.ts";

const idOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const rowOf = (number: number) => ({
  event_id: idOf(number),
  user_id: `user-${number}`,
  outcome: "success",
  at: new Date("2026-06-01T12:00:00Z"),
  ip: "203.0.113.7",
  source: "app-logins",
});
const insert = (at: number, ...numbers: readonly number[]) => ({ at, body: Buffer.from(JSON.stringify(numbers.map(rowOf))) });
const numbers = [0, 1, 16, 256, 4_000, 219_999, 999_999_999_999];

describe("the numbers of the events in an insert", () => {
  test("are found in rows of JSON", () => {
    expect(numbersIn(Buffer.from(numbers.map((number) => JSON.stringify(rowOf(number))).join("\n")))).toEqual(numbers);
  });

  test("are found in a Native block as our sink encodes it", () => {
    expect(numbersIn(compileEncoder(loginEvents.plan)(numbers.map(rowOf)).bytes)).toEqual(numbers);
  });

  test("are all found in a Native block of many rows, whatever bytes stand between", () => {
    const many = Array.from({ length: 70_000 }, (_, number) => number);
    expect(numbersIn(compileEncoder(loginEvents.plan)(many.map(rowOf)).bytes)).toEqual(many);
  });
});

describe("latencies of an open loop", () => {
  const schedule = { dueAt: 1_000, rate: 1_000, events: 100, warmUp: 0 };
  const all = (at: (number: number) => number) => Array.from({ length: 100 }, (_, number) => insert(at(number), number));

  test("count from when an event was due, not from when it was sent", () => {
    const late = latenciesOf([insert(2_000, ...Array.from({ length: 100 }, (_, number) => number))], schedule);
    expect(late).toMatchObject({ p50Ms: 950, p99Ms: 999, maxMs: 1_000 });
  });

  test("leave out the events that warmed everything up, and the inserts of that time", () => {
    const inserts = all((number) => 1_000 + number + (number < 10 ? 500 : 0.5));
    const { p99Ms, maxMs, insertsPerSecond } = latenciesOf(inserts, { ...schedule, warmUp: 10 });
    expect(p99Ms).toBeCloseTo(0.5);
    expect(maxMs).toBeCloseTo(0.5);
    expect(insertsPerSecond).toBeCloseTo(90 / 0.09);
  });

  test("take the first time of an event that was inserted twice", () => {
    const inserts = [...all((number) => 1_000 + number + 2), insert(9_000, 50)];
    expect(latenciesOf(inserts, schedule).maxMs).toBe(2);
  });

  test("are an error when an event never came", () => {
    const inserts = all((number) => 1_000 + number).filter((_, number) => number !== 42);
    expect(() => latenciesOf(inserts, schedule)).toThrow("event 42 of 100 was in no insert");
  });

  test("have 99 of 100 at or under p99", () => {
    const { p50Ms, p99Ms, maxMs } = latenciesOf(
      all((number) => 1_000 + number + number + 1),
      schedule,
    );
    expect([p50Ms, p99Ms, maxMs]).toEqual([50, 99, 100]);
  });
});
