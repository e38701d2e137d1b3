import { hostname } from "node:os";
import { toDurability } from "../bus/durability.ts";
import { Producer } from "../bus/producer.ts";
import { Door } from "../collector/door.ts";
import { serveCollector } from "../collector/serve.ts";
import { aborted } from "../core/aborted.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import { isLoopback } from "../core/loopback.ts";
import { openAll } from "../core/open-resources.ts";
import { doorsOf } from "../plan/doors.ts";
import type { ReadyRole, Role, RoleContext } from "./role.ts";
import { openBus } from "./services.ts";

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
 * How the events of requests are stored. A client waits: an event that has no room within two seconds, or is not confirmed within eight, is
 * answered with `retry`.
 */
const producing = { lingerMs: 2, maxWaitMs: 2_000, giveUpAfterMs: 8_000, maxBufferedBytes: 32 * 1024 * 1024 } as const;

/** Takes events over HTTP for the streams of the application that have a door. */
export const collectorRole = (options: CollectorRoleOptions): Role => ({
  name: "collector",
  open: (context) => openCollector(context, options),
});

async function openCollector(
  { app, instance, logger, at }: RoleContext,
  { host, port, hosts, deadLetterBytes }: CollectorRoleOptions,
): Promise<ReadyRole> {
  if (!isLoopback(host))
    throw new ConfigError("config.environment", `the collector would take events from everyone who reaches ${host}`, {
      hint: "Let it listen at 127.0.0.1, and put what checks its callers in front of it.",
    });
  const plans = doorsOf(app);
  if (plans.length === 0)
    throw new ConfigError("config.invalid", "no stream of the application takes events from a collector", {
      hint: "Give a stream a door: defineStream(name, { door: {} }).",
    });
  return openAll(async (opened) => {
    const bus = opened.add(await openBus(at.redis(), logger, deadLetterBytes), (one) => one.close());
    const doors = new Map<string, Door>();
    const producers: Producer[] = [];
    for (const [stream, plan] of plans) {
      const durability = toDurability(plan.durability);
      await bus.checkDurability(durability);
      const options = { stream, producer: `door/${instance}`, durability, ...producing };
      const producer = new Producer(options, { bus, clock: systemClock, logger });
      producers.push(producer);
      doors.set(stream.name, new Door(stream, plan, { producer, clock: systemClock }));
    }
    const served = opened.add(await serveCollector({ doors, host, port, hosts: [hostname(), ...hosts] }, { logger }), (one) =>
      one.close(),
    );
    return {
      addresses: { collector: `http://${host}:${served.port}` },
      async run(stop) {
        await aborted(stop);
        await served.close();
        await Promise.allSettled(producers.map((producer) => producer.close()));
      },
      close: () => opened.close(),
    };
  });
}
