import { fileURLToPath } from "node:url";
import { startChild, together } from "./child.ts";
import { type Latencies, latenciesOf } from "./latencies.ts";
import { type Bench, type Contestant, until } from "./measure.ts";
import { plainStream } from "./publish.ts";
import { openTap } from "./tap.ts";

const sender = fileURLToPath(new URL("peers/send.mjs", import.meta.url));

/** Events a second that latency is measured at. */
const rates: readonly number[] = [10_000, 100];
const countedSeconds = 20;
const warmUpSeconds = 2;

export interface LatencyRun extends Latencies {
  /** How late the sender was at worst, which counts as well: much of it says that the machine was busy with other things. */
  readonly senderLateMs: number;
}

/** Who is measured, and how its sink cuts batches where it is one of ours. */
export interface LatencyContestant {
  readonly contestant: Contestant;
  readonly profile: string | undefined;
}

/** Each of them at each rate. */
export const latencyOf = (all: readonly LatencyContestant[], bench: Omit<Bench, "events">, maxEvents: number) =>
  rates.flatMap((rate) =>
    all.map(({ contestant, profile }) => ({
      name: `latency of ${contestant.name} at ${rate}/s`,
      of: contestant.name,
      profile,
      rate,
      measure: () => measureLatency(contestant, bench, { rate, maxEvents }),
      tell: ({ p50Ms, p99Ms, maxMs }: LatencyRun) => [p50Ms, p99Ms, maxMs].map((ms) => `${Math.round(ms)} ms`).join(", "),
    })),
  );

/** One run of an open loop: what a contestant does while events come at a rate. Its rows are counted afterwards. */
async function measureLatency(
  contestant: Contestant,
  bench: Omit<Bench, "events">,
  { rate, maxEvents }: { readonly rate: number; readonly maxEvents: number },
): Promise<LatencyRun> {
  const { stack, signal } = bench;
  const warmUp = rate * warmUpSeconds;
  const counted = Math.min(rate * countedSeconds, maxEvents);
  const events = warmUp + counted;
  await stack.reset();
  const ends: (() => Promise<void>)[] = [];
  try {
    const tap = await openTap(stack.clickhouseUrl);
    ends.unshift(tap.close);
    const watched = { ...bench, events: [], stack: { ...stack, env: { ...stack.env, CLICKHOUSE_URL: tap.url } } };
    await contestant.prepare(watched);
    await stack.quiet();
    const child = await contestant.start(watched);
    ends.unshift(child.stop);
    const env = { ...stack.env, ...(contestant.sendTo ?? { STREAM: plainStream }) };
    const sending = await startChild(sender, [String(rate), String(events)], { env });
    ends.unshift(sending.stop);

    await until(events, together([child, sending]), { look: () => countRows(stack.query), signal });
    await until(events, sending, { look: async () => Number(sending.latest()["sent"] ?? 0), signal });
    await tap.settled();
    const dueAt = Number(sending.ready["dueAt"]);
    return { ...latenciesOf(tap.inserts, { dueAt, rate, events, warmUp }), senderLateMs: Number(sending.latest()["lateMs"]) };
  } finally {
    for (const end of ends) await end();
  }
}

/** Told from the parts alone: it costs the engine next to nothing. */
async function countRows(query: Bench["stack"]["query"]): Promise<number> {
  const [found] = await query("SELECT count() AS rows FROM login_events");
  return Number(found?.["rows"]);
}
