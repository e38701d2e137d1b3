/**
 * The strongest test of a pipeline: whatever the order, the portions, the repeats and the crashes, the result is the one that a plain
 * recount of the log gives. `everyLife` looks for a life where it is not, and makes it as small as it can.
 */
import fc from "fast-check";
import { count, defineEvent, defineStream, minutes, pipeline, seconds, session } from "headrace";
import { everyLife, type LogEvent } from "headrace/testing";
import { expect, test } from "vitest";
import { z } from "zod";

const knocked = defineEvent("door.knocked", z.object({ door: z.string() }), { key: (data) => data.door });
const doors = defineStream("doors", { events: [knocked] });
const visited = defineEvent("door.visited", z.object({ door: z.string(), since: z.number(), knocks: z.int() }));
const visits = defineStream("visits", { events: [visited] });

const visiting = (dedupe: boolean) => {
  // Event time may move on a little between portions: `idleMs: 1` lets windows close in the middle of the log.
  const source = pipeline("visiting").from(doors, { idleMs: 1 });
  return (dedupe ? source.dedupe("once") : source)
    .keyBy((event) => event.data.door)
    .window(session({ gapMs: minutes(1), allowedLatenessMs: seconds(45) }))
    .aggregate({ knocks: count() })
    .emit(visits, ({ key, start, values }) => visited({ door: key, since: start.getTime(), knocks: values.knocks }));
};

/** Logs to try: some minutes at two doors. */
const logs: fc.Arbitrary<readonly LogEvent[]> = fc
  .array(fc.record({ door: fc.constantFrom("north", "south"), second: fc.nat(600) }), { minLength: 1, maxLength: 15 })
  .map((steps) =>
    steps.map(({ door, second }, i) => ({
      id: `knock-${i}`,
      ...knocked({ door }),
      time: new Date(Date.UTC(2026, 4, 1) + second * 1_000),
    })),
  );

/** What a reader of the whole log would say, in ten lines that share nothing with the pipeline. */
function recount(log: readonly LogEvent[]): readonly object[] {
  return ["north", "south"].flatMap((door) => {
    const times = log.filter(({ data }) => (data as { door: string }).door === door).map(({ time }) => time.getTime());
    const sessions: number[][] = [];
    for (const time of times) {
      const last = sessions.at(-1);
      if (last && time - (last.at(-1) as number) <= minutes(1)) last.push(time);
      else sessions.push([time]);
    }
    return sessions.map((knocks) => ({ door, since: knocks[0], knocks: knocks.length }));
  });
}

const texts = (all: readonly unknown[]) => all.map((one) => JSON.stringify(one)).sort();
const options = { logs, shuffledMs: seconds(40), runs: 60 };

test("the sessions are those of the sorted log", { timeout: 120_000 }, async () => {
  await everyLife(visiting(true), options, ({ log, run }) => {
    expect(texts((run.rows["to"] ?? []).map((row) => row["data"]))).toEqual(texts(recount(log)));
  });
});

test("without a dedupe, an event that is sent twice counts twice, and the smallest life that shows it is found", {
  timeout: 120_000,
}, async () => {
  const look = everyLife(visiting(false), { ...options, deaths: false, seed: 1 }, ({ log, run }) => {
    expect(texts((run.rows["to"] ?? []).map((row) => row["data"]))).toEqual(texts(recount(log)));
  });
  // Two knocks or fewer, one of them sent again.
  await expect(look).rejects.toThrow(/Counterexample: .*"again":\d/);
});
