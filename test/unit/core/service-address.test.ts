import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/core/log.ts";
import { openRedis } from "../../../src/redis/open-redis.ts";
import { createClickHouse } from "../../../src/sinks/clickhouse/client.ts";

/** Every way in which `tiger` and `moth` may get into an address of port 1, where nobody listens. */
const addresses = (scheme: string) => [
  ["as it should be", `${scheme}://app:tigermoth@127.0.0.1:1`, "answers"],
  ["with a password alone", `${scheme}://:tigermoth@127.0.0.1:1`, "answers"],
  ["encoded", `${scheme}://app:tiger%40moth@127.0.0.1:1`, "answers"],
  ["with a slash", `${scheme}://app:tiger/moth@127.0.0.1:1`, "encode"],
  ["with a slash behind digits", `${scheme}://app:12/tigermoth@127.0.0.1:1`, "encode"],
  ["with an @", `${scheme}://app:tiger@moth@127.0.0.1:1`, "encode"],
  ["with an @ and a slash", `${scheme}://app:tiger@moth/tigermoth@127.0.0.1:1`, "encode"],
  ["with a question mark", `${scheme}://app:12?tigermoth@127.0.0.1:1`, "encode"],
  ["with a hash", `${scheme}://app:tiger#moth@127.0.0.1:1`, "encode"],
  ["with a colon and without a host", `${scheme}://app:tigermoth`, "encode"],
  ["with a lone per cent", `${scheme}://app:tigermoth%@127.0.0.1:1`, "encode"],
  ["with a path", `${scheme}://app:pass@127.0.0.1:1/tiger/moth`, "host"],
  ["without its colon", `${scheme}//app:tigermoth@127.0.0.1:1`, "host"],
  ["without its scheme", "app:tigermoth@127.0.0.1:1", "host"],
  ["of another scheme", "amqp://app:tigermoth@127.0.0.1:1", "host"],
  ["among others", `${scheme}://127.0.0.1:1,${scheme}://app:tiger/moth@127.0.0.1:1`, "encode"],
];

const failureOf = async (open: () => unknown): Promise<unknown> => {
  try {
    await open();
  } catch (error) {
    return error;
  }
  return undefined;
};

const check = (failure: unknown, expected: string) => {
  const all = inspect(failure, { depth: 20, showHidden: true });
  expect(all).not.toMatch(/tiger|moth/);
  if (expected === "answers") {
    expect(failure).toMatchObject({ name: "RetryableError", message: expect.stringContaining("127.0.0.1:1") });
    return;
  }
  expect(failure).toMatchObject({ name: "ConfigError", code: "config.environment" });
  expect((failure as { hint: string }).hint).toMatch(expected === "encode" ? /%40/ : /looks like .*host/);
};

describe("an address that cannot be read or reached: nothing but host and port is in its error, its cause or their stacks", () => {
  it.each(addresses("redis"))("of Redis, %s", async (_, url, expected) => {
    check(await failureOf(() => openRedis({ url, logger: silentLogger, name: "test", timeoutMs: 1_000 })), expected);
  });

  it.each(addresses("http"))("of ClickHouse, %s", async (_, url, expected) => {
    check(
      await failureOf(async () => {
        const client = createClickHouse({ url });
        try {
          await client.run("SELECT 1");
        } finally {
          await client.close();
        }
      }),
      expected,
    );
  });
});
