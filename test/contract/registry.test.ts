import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { MemoryRegistry } from "../../src/registry/memory.ts";
import type { Registry, RegistryView } from "../../src/registry/port.ts";
import { openRedisRegistry } from "../../src/registry/redis/registry.ts";
import { process } from "../support/process.ts";
import { redisClient } from "../support/redis.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { redisUrl } from "../support/services.ts";

interface Twin {
  readonly registry: Registry;
  /** The same registry, as another process sees it. */
  readonly other: Registry;
  /** Ends what was started for it. */
  end(): Promise<void>;
}

const openAt = (url: string) => openRedisRegistry({ url, clock: systemClock, logger: silentLogger });

const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => {
    const registry = new MemoryRegistry(systemClock);
    return { registry, other: registry, end: async () => {} };
  },
  "on Redis": async () => {
    const url = await redisUrl();
    return { registry: await openAt(url), other: await openAt(url), end: async () => {} };
  },
  "on a Redis Cluster": async () => {
    const cluster = await startCluster(2);
    const [one, two] = cluster.masters.map(({ url }) => url) as [string, string];
    return { registry: await openAt(one), other: await openAt(two), end: () => cluster.close() };
  },
};

describe.each(Object.entries(twins))("the registry %s", (_, open) => {
  let registry: Registry;
  let other: Registry;
  let end: Twin["end"];
  let names = 0;
  const fresh = () => `p${++names}`;
  beforeAll(async () => {
    ({ registry, other, end } = await open());
  });
  afterAll(async () => {
    await registry.close();
    await registry.close();
    await other.close();
    await end();
  });

  const find = async (instance: string, where = other) => (await where.live()).find((one) => one.instance === instance);

  /** Watches until it is stopped; `views` holds what was told. */
  function watch(where = other) {
    const stop = new AbortController();
    const views: RegistryView[] = [];
    const done = where.watch((view) => views.push(view), stop.signal);
    return {
      views,
      last: () => views.at(-1)?.map(({ instance }) => instance) ?? [],
      stop: async () => {
        stop.abort();
        await done;
      },
    };
  }

  it("shows to everyone all that a process says of itself", async () => {
    const said = process(fresh(), {
      roles: ["worker", "collector"],
      addresses: { collector: "http://127.0.0.1:8080" },
      pipelines: { "login-analytics": { partitions: 9, held: ["logins/00", "logins/07"] } },
      state: "draining",
      cpu: 0.25,
      rssBytes: 123_456_789,
    });
    await registry.announce(said, 60_000);
    const { leftMs, ...shown } = (await find(said.instance)) as NonNullable<Awaited<ReturnType<typeof find>>>;
    expect(shown).toEqual(said);
    expect(leftMs).toBeGreaterThan(50_000);
    expect(leftMs).toBeLessThanOrEqual(60_000);
    await registry.withdraw(said.instance);
  });

  it("shows what was said last", async () => {
    const name = fresh();
    await registry.announce(process(name, { cpu: 0.1 }), 60_000);
    await registry.announce(process(name, { cpu: 0.9, state: "draining" }), 60_000);
    expect(await find(name)).toMatchObject({ cpu: 0.9, state: "draining" });
    await registry.withdraw(name);
  });

  it("forgets at once who withdraws, also one that it never knew", async () => {
    const name = fresh();
    await registry.announce(process(name), 60_000);
    await registry.withdraw(name);
    await registry.withdraw(name);
    expect(await find(name)).toBeUndefined();
  });

  it("forgets who is silent for longer than it said, and nobody who goes on speaking", async () => {
    const [dead, alive] = [fresh(), fresh()];
    await registry.announce(process(dead), 300);
    const beats = setInterval(() => void registry.announce(process(alive), 300), 50);
    try {
      await registry.announce(process(alive), 300);
      expect(await find(dead)).toBeDefined();
      await vi.waitFor(async () => expect(await find(dead)).toBeUndefined(), { timeout: 5_000, interval: 10 });
      expect(await find(alive)).toBeDefined();
    } finally {
      clearInterval(beats);
    }
    await vi.waitFor(async () => expect(await find(alive)).toBeUndefined(), { timeout: 5_000, interval: 10 });
  });

  it("lists the oldest first, and by name where two are of one age", async () => {
    const [first, second, third] = [fresh(), fresh(), fresh()];
    await registry.announce(process(third, { since: "2026-01-03T00:00:00.000Z" }), 60_000);
    await registry.announce(process(second, { since: "2026-01-02T00:00:00.000Z" }), 60_000);
    await registry.announce(process(first, { since: "2026-01-02T00:00:00.000Z" }), 60_000);
    expect((await other.live()).map(({ instance }) => instance)).toEqual([first, second, third]);
    await Promise.all([first, second, third].map((name) => registry.withdraw(name)));
  });

  it("tells a watcher at first who is alive, also where nobody is", async () => {
    const watching = watch();
    await vi.waitFor(() => expect(watching.views).toEqual([[]]), { timeout: 2_000, interval: 5 });
    await watching.stop();
  });

  it("tells every watcher soon who came, what changed and who went", async () => {
    const name = fresh();
    const watchings = [watch(), watch(), watch(registry)];
    await vi.waitFor(() => expect(watchings.map(({ views }) => views.length)).toEqual([1, 1, 1]), { interval: 5 });
    const soon = (holds: (view: RegistryView) => boolean) =>
      vi.waitFor(() => expect(watchings.filter(({ views }) => !holds(views.at(-1)))).toEqual([]), {
        timeout: 1_000,
        interval: 5,
      });

    await registry.announce(process(name), 60_000);
    await soon((view) => view?.length === 1);
    await registry.announce(process(name, { state: "draining" }), 60_000);
    await soon((view) => view?.[0]?.state === "draining");
    await registry.withdraw(name);
    await soon((view) => view?.length === 0);
    await Promise.all(watchings.map(({ stop }) => stop()));
  });

  it("tells a watcher who died, though nobody can say so", async () => {
    const name = fresh();
    const watching = watch();
    await registry.announce(process(name), 500);
    await vi.waitFor(() => expect(watching.last()).toEqual([name]), { interval: 5 });
    // Well before a look that is made now and then would have found it.
    await vi.waitFor(() => expect(watching.last()).toEqual([]), { timeout: 1_500, interval: 5 });
    await watching.stop();
  });

  it("tells nothing where only the load changes", async () => {
    const [busy, newcomer] = [fresh(), fresh()];
    await registry.announce(process(busy, { cpu: 0.1 }), 60_000);
    const watching = watch();
    await vi.waitFor(() => expect(watching.last()).toEqual([busy]), { interval: 5 });
    for (const cpu of [0.2, 0.3, 0.4]) await registry.announce(process(busy, { cpu }), 60_000);
    await registry.announce(process(newcomer, { since: "2027-01-01T00:00:00.000Z" }), 60_000);
    await vi.waitFor(() => expect(watching.last()).toEqual([busy, newcomer]), { interval: 5 });
    expect(watching.views).toHaveLength(2);
    await watching.stop();
    await Promise.all([busy, newcomer].map((name) => registry.withdraw(name)));
  });

  it("tells nothing more once the watcher has stopped", async () => {
    const name = fresh();
    const watching = watch();
    await vi.waitFor(() => expect(watching.views).toHaveLength(1), { interval: 5 });
    await watching.stop();
    const another = watch();
    await registry.announce(process(name), 60_000);
    await vi.waitFor(() => expect(another.last()).toEqual([name]), { interval: 5 });
    expect(watching.views).toHaveLength(1);
    await another.stop();
    await registry.withdraw(name);
  });
});

describe("a registry on Redis in which somebody has written what is no entry", () => {
  it("goes on showing all the others", async () => {
    const url = await redisUrl();
    const redis = await redisClient(url);
    const registry = await openAt(url);
    const sound = JSON.stringify(process("bad"));
    const bad: readonly (readonly [facts: string, load: string])[] = [
      ["{", "{}"],
      ["null", "null"],
      ["[]", sound],
      [JSON.stringify({ ...process("bad"), pipelines: { p: { partitions: "8" } } }), sound],
      [JSON.stringify({ ...process("bad"), roles: "worker" }), sound],
      [JSON.stringify({ ...process("bad"), since: 7 }), sound],
      [sound, "7"],
    ];
    try {
      await registry.announce(process("good"), 60_000);
      for (const [n, [facts, load]] of bad.entries()) {
        await redis.zAdd("hr:{registry}:until", { value: `bad-${n}`, score: Date.now() + 60_000 });
        await redis.hSet("hr:{registry}:facts", `bad-${n}`, facts);
        await redis.hSet("hr:{registry}:load", `bad-${n}`, load);
      }
      expect((await registry.live()).map(({ instance }) => instance)).toEqual(["good"]);
    } finally {
      await redis.flushDb();
      redis.destroy();
      await registry.close();
    }
  });
});
