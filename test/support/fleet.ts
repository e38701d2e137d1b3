import { partitionsOf } from "../../src/bus/partition.ts";
import { RetryableError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { Pipeline } from "../../src/dsl/pipeline.ts";
import { runWorker } from "../../src/engine/worker.ts";
import { MemoryRegistry } from "../../src/registry/memory.ts";
import type { Registry } from "../../src/registry/port.ts";
import { enterRegistry } from "../../src/registry/presence.ts";
import { watchLive } from "../../src/registry/watch.ts";
import { interpose } from "./interpose.ts";
import { process } from "./process.ts";
import { Workbench } from "./workbench.ts";

export interface Member {
  readonly name: string;
  /** What becomes of its calls to the registry: answered, refused, or never heard of. */
  registry: "sound" | "away" | "dead";
  /** It gets no lease, and goes on saying that it is well. */
  isSick: boolean;
  /** SIGTERM: says that it is ending, settles, gives its leases back. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): void;
}

/** Workers that share pipelines through one registry, in memory and on a virtual clock. */
export class Fleet {
  readonly bench = new Workbench();
  readonly registry = new MemoryRegistry(this.bench.clock);

  /** Starts a worker, as a process does: it enters the registry, then runs. */
  join(name: string, pipelines: readonly Pipeline[]): Member {
    const { clock, bus } = this.bench;
    const stop = new AbortController();
    let isDead = false;
    const never = () => new Promise<never>(() => {});
    const refused = () => Promise.reject(new RetryableError("service.unreachable", "away"));
    const mine = interpose(bus, (call, method) => {
      if (isDead) return never();
      return member.isSick && method === "acquire" ? refused() : call();
    });
    const lined = <Answer>(call: () => Promise<Answer>): Promise<Answer> =>
      ({ sound: call, away: refused, dead: never })[member.registry]();
    const live = () => lined(() => this.registry.live());
    const registry: Registry = {
      live,
      announce: (facts, ttlMs) => lined(() => this.registry.announce(facts, ttlMs)),
      withdraw: (instance) => lined(() => this.registry.withdraw(instance)),
      watch: (seen, signal) =>
        watchLive({ live }, seen, { clock, onPush: (pushed) => this.registry.onPush(pushed), stop: signal }),
      close: async () => {},
    };
    const run = async () => {
      const { cpu, rssBytes, ...facts } = process(name, { since: new Date(clock.now()).toISOString() });
      const presence = await enterRegistry(facts, { registry, clock, logger: silentLogger, load: () => ({ cpu, rssBytes }) });
      stop.signal.addEventListener("abort", () => presence.tell({ state: "draining" }));
      await runWorker(
        { instance: name, pipelines: pipelines.map(({ plan }) => plan) },
        { bus: mine, clock, logger: silentLogger, sinkFor: (plan) => this.bench.sinkFor(plan), presence },
        stop.signal,
      );
      await presence.close();
    };
    const member: Member = {
      name,
      registry: "sound",
      isSick: false,
      stop: () => {
        stop.abort();
        return clock.settle(done);
      },
      kill: () => {
        isDead = true;
        member.registry = "dead";
      },
    };
    const done = run();
    return member;
  }

  /** Who holds each partition of a pipeline, and under which epoch; `null` where nobody does. */
  async leases({ plan }: Pipeline): Promise<readonly { readonly owner: string | null; readonly epoch: number }[]> {
    const states = await Promise.all(
      plan.sources.flatMap(partitionsOf).map((partition) => this.bench.bus.state(partition, plan.name)),
    );
    return states.map(({ owner = null, epoch }) => ({ owner, epoch }));
  }

  /** How many partitions of a pipeline each holds, by name; those of nobody under `nobody`. */
  async held(pipeline: Pipeline): Promise<Readonly<Record<string, number>>> {
    const counts: Record<string, number> = {};
    for (const { owner } of await this.leases(pipeline)) counts[owner ?? "nobody"] = (counts[owner ?? "nobody"] ?? 0) + 1;
    return counts;
  }
}
