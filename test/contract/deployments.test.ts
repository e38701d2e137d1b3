import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../../src/core/log.ts";
import { openRedis } from "../../src/redis/open-redis.ts";
import type { Deployments } from "../../src/registry/deployments.ts";
import { createMemoryDeployments } from "../../src/registry/memory-deployments.ts";
import { redisDeployments } from "../../src/registry/redis/deployments.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { redisUrl } from "../support/services.ts";

interface Twin {
  readonly deployments: Deployments;
  end(): Promise<void>;
}

async function onRedis(url: string, end: () => Promise<void>): Promise<Twin> {
  const redis = await openRedis({ url, logger: silentLogger, name: "test" });
  return {
    deployments: redisDeployments(redis),
    end: async () => {
      await redis.close();
      await end();
    },
  };
}

const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => ({ deployments: createMemoryDeployments(), end: async () => {} }),
  "on Redis": async () => onRedis(await redisUrl(), async () => {}),
  "on a Redis Cluster": async () => {
    const cluster = await startCluster(2);
    return onRedis((cluster.masters[0] as { url: string }).url, () => cluster.close());
  },
};

describe.each(Object.entries(twins))("what is deployed, %s", (_, open) => {
  let twin: Twin;
  beforeAll(async () => {
    twin = await open();
  });
  afterAll(() => twin.end());
  const fresh = () => `hr:{${randomUUID()}}:stages:p`;

  it("is a text that is there once it was written", async () => {
    const key = fresh();
    expect(await twin.deployments.read(key)).toBeNull();
    expect(await twin.deployments.replace(key, null, '{"ä":1}')).toBe(true);
    expect(await twin.deployments.read(key)).toBe('{"ä":1}');
  });

  it("is replaced only where nobody else has", async () => {
    const key = fresh();
    const tries = await Promise.all(["a", "b", "c"].map((text) => twin.deployments.replace(key, null, text)));
    expect(tries.filter(Boolean)).toHaveLength(1);
    const now = await twin.deployments.read(key);
    expect(await twin.deployments.replace(key, "other", "d")).toBe(false);
    expect(await twin.deployments.replace(key, now, "d")).toBe(true);
    expect(await twin.deployments.read(key)).toBe("d");
  });
});
