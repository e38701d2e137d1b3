import { hostname } from "node:os";
import { toDurability } from "../bus/durability.ts";
import { Producer } from "../bus/producer.ts";
import { timed } from "../collector/append-time.ts";
import { BodyMemory } from "../collector/body-memory.ts";
import { Door } from "../collector/door.ts";
import { OutwardBreaker } from "../collector/pressure.ts";
import { senderLimit } from "../collector/sender-limit.ts";
import { serveCollector } from "../collector/serve.ts";
import { aborted } from "../core/aborted.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import { hostInUrl } from "../core/host-in-url.ts";
import { isLoopback } from "../core/loopback.ts";
import { openAll } from "../core/open-resources.ts";
import { openRedisBuckets } from "../limit/redis/buckets.ts";
import { doorsOf } from "../plan/doors.ts";
import type { RegistryEntry } from "../registry/port.ts";
import { watchLoad } from "./collector-load.ts";
import type { ReadyRole, Role, RoleContext } from "./role.ts";
import { openBus, openRedis } from "./services.ts";

export interface CollectorRoleOptions {
  /** Where to listen. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Names under which it is called beside those of the machine. */
  readonly hosts: readonly string[];
  readonly deadLetterBytes: number;
}

/**
 * How the events of requests are stored. A client waits, and is to know within three seconds: an event that has no room in one, or is not
 * confirmed in about two and a half, is answered with `retry`.
 */
const producing = { lingerMs: 2, maxWaitMs: 1_000, giveUpAfterMs: 500, maxBufferedBytes: 32 * 1024 * 1024 } as const;
const confirmMs = 1_500;

/** At so long an append nothing more is to come, milliseconds: of a disk that syncs each second, an append may take one. */
const mostAppendMs = 1_500;
/** What the bodies of requests may take of memory together. */
const bodyBytes = 64 * 1024 * 1024;

/** Takes events over HTTP for the streams of the application that have a door. */
export const collectorRole = (options: CollectorRoleOptions): Role => ({
  name: "collector",
  open: (context) => openCollector(context, options),
});

async function openCollector(
  { app, others, instance, logger, at }: RoleContext,
  { host, port, hosts, deadLetterBytes }: CollectorRoleOptions,
): Promise<ReadyRole> {
  if (!isLoopback(host))
    throw new ConfigError("config.environment", `the collector would take events from everyone who reaches ${host}`, {
      hint: "Let it listen at 127.0.0.1, and put what checks its callers in front of it.",
    });
  // Whoever runs a pipeline: what it writes is closed.
  const whole = { ...app, pipelines: [...app.pipelines, ...others] };
  const plans = doorsOf(whole);
  if (plans.length === 0)
    throw new ConfigError("config.invalid", "no stream of the application takes events from a collector", {
      hint: "Give a stream a door: defineStream(name, { door: {} }).",
    });
  let presence: RegistryEntry | undefined;
  return openAll(async (opened) => {
    const bus = opened.add(await openBus(at.redis(), logger, deadLetterBytes), (one) => one.close());
    const redis = opened.add(await openRedis(at.redis(), logger, "headrace-collector"), (one) => one.close());
    const buckets = opened.add(await openRedisBuckets({ ...at.redis(), logger }), (one) => one.close());
    const log = timed(bus, systemClock);
    const bodies = new BodyMemory(bodyBytes);
    const doors = new Map<string, Door>();
    const producers: Producer[] = [];
    for (const [stream, plan] of plans) {
      const durability = toDurability(plan.durability, { timeoutMs: confirmMs });
      await bus.checkDurability(durability);
      const options = { stream, producer: `door/${instance}`, durability, ...producing };
      const producer = new Producer(options, { bus: log.log, clock: systemClock, logger });
      producers.push(producer);
      doors.set(
        stream.name,
        new Door(stream, plan, { producer, clock: systemClock, limit: senderLimit(stream.name, plan, buckets) }),
      );
    }
    const ended = opened.add(new AbortController(), async (one) => one.abort());
    const watched = watchLoad({ redis, bus, app: whole, clock: systemClock }, ended.signal);
    const breaker = new OutwardBreaker({
      clock: systemClock,
      logger,
      load: () => ({
        appends: log.appendMs() / mostAppendMs,
        buffer: Math.max(...producers.map(({ buffered }) => buffered)),
        bodies: bodies.share,
        ...watched(),
      }),
      onChange: (state) => presence?.tell({ door: state }),
    });
    const served = opened.add(
      await serveCollector({ doors, breaker, bodies, host, port, hosts: [hostname(), ...hosts] }, { logger }),
      (one) => one.close(),
    );
    return {
      addresses: { collector: `http://${hostInUrl(host)}:${served.port}` },
      async run(stop, entry) {
        presence = entry;
        presence.tell({ door: breaker.state });
        await aborted(stop);
        await served.close();
        await Promise.allSettled(producers.map((producer) => producer.close()));
      },
      close: () => opened.close(),
    };
  });
}
