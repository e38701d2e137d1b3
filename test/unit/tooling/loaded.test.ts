import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { headrace } from "../../support/headrace.ts";

const dist = fileURLToPath(new URL("../../../dist", import.meta.url));

// The first command builds dist/.
beforeAll(async () => void (await headrace(["--help"])), 120_000);

/** The packages of which a program has loaded any file, by what V8 says of its scripts. */
function packagesLoadedBy(script: string): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), "headrace-loaded-"));
  try {
    const env = { ...process.env, NODE_V8_COVERAGE: folder };
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: dist,
      env,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const urls = readdirSync(folder).flatMap((name) => {
      const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as { readonly result: readonly { url: string }[] };
      return result.map(({ url }) => url);
    });
    expect(urls.filter((url) => url.includes("/dist/")).length).toBeGreaterThan(1);
    return [...new Set(urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []))].sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const redisClient = ["@redis/bloom", "@redis/client", "@redis/json", "@redis/search", "@redis/time-series", "redis"];
const declarations = `
  import { defineApp, defineEvent, defineStream, pipeline } from "./index.js";
  const schema = { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } };
  const read = defineEvent("meter.read", schema, { key: ({ meter }) => meter });
  const readings = defineStream("readings", { events: [read] });
  const again = defineStream("again", { events: [read] });
  const app = defineApp({ pipelines: [pipeline("copies").from(readings).emit(again, (event) => event)] });`;
/** Nothing listens there: what is loaded to connect is loaded all the same. */
const nowhere = "redis://127.0.0.1:1";

describe("what a program loads", { timeout: 60_000 }, () => {
  it("for its pipelines: none but the hash of keys, neither a driver nor a validator", () => {
    expect(packagesLoadedBy(declarations)).toEqual(["xxhash-wasm"]);
  });

  it("for a producer: Redis' client beside it, but no server, no Temporal and no ClickHouse", () => {
    const script = `${declarations}
      import { openProducer } from "./index.js";
      await openProducer(readings, { redisUrl: "${nowhere}" }).then(() => { throw new Error("a Redis answered"); }, () => {});`;
    expect(packagesLoadedBy(script)).toEqual([...redisClient, "xxhash-wasm"]);
  });

  it("for a worker of pipelines: no fastify, no Temporal, no embedded ClickHouse", () => {
    const script = `${declarations}
      import { createWorker } from "./host/index.js";
      await createWorker({ app, redis: "${nowhere}" }).ready.then(() => { throw new Error("a Redis answered"); }, () => {});`;
    const loaded = packagesLoadedBy(script);
    expect(loaded).toContain("redis");
    expect(
      loaded.filter((name) => /^(fastify|chdb|@temporalio\/.*|commander|@commander-js\/.*|jiti|pino|protobufjs)$/.test(name)),
    ).toEqual([]);
  });

  it("for participants of sagas and for workflows: of Temporal what runs in its sandbox, and no driver", () => {
    expect(packagesLoadedBy('import "./participant/index.js"; import "./core/errors.js";')).toEqual([]);
    const loaded = packagesLoadedBy('import "./saga/index.js";');
    expect(loaded.filter((name) => name.startsWith("@temporalio/"))).toEqual(["@temporalio/common", "@temporalio/workflow"]);
    expect(loaded).not.toContain("redis");
  });
});
