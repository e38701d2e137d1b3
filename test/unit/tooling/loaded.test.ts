import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { headrace } from "../../support/headrace.ts";
import { makeProject } from "../../support/project.ts";

const dist = fileURLToPath(new URL("../../../dist", import.meta.url));

// The first command builds dist/.
beforeAll(async () => void (await headrace(["--help"])), 120_000);

/** The packages of which a program has loaded any file, by what V8 says of its scripts. */
function packagesLoadedBy(args: readonly string[], { cwd = dist, status = 0, env = {} } = {}): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), "headrace-loaded-"));
  try {
    const ran = spawnSync(process.execPath, args, {
      cwd,
      env: { ...process.env, ...env, NODE_V8_COVERAGE: folder },
      encoding: "utf8",
    });
    expect(ran).toMatchObject({ status });
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

const packagesOf = (script: string) => packagesLoadedBy(["--input-type=module", "-e", script]);

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

/** What a worker of pipelines has no use for: an HTTP server, Temporal, the embedded ClickHouse. */
const isForOthers = (name: string): boolean => /^(fastify|chdb|protobufjs|@temporalio\/.*)$/.test(name);

describe("what a program loads", { timeout: 60_000 }, () => {
  it("for its pipelines: none but the hash of keys, neither a driver nor a validator", () => {
    expect(packagesOf(declarations)).toEqual(["xxhash-wasm"]);
  });

  it("for a producer: Redis' client beside it, but no server, no Temporal and no ClickHouse", () => {
    const script = `${declarations}
      import { openProducer } from "./index.js";
      await openProducer(readings, { redisUrl: "${nowhere}" }).then(() => { throw new Error("a Redis answered"); }, () => {});`;
    expect(packagesOf(script)).toEqual([...redisClient, "xxhash-wasm", "zod"]);
  });

  it("for a worker of pipelines: no fastify, no Temporal, no embedded ClickHouse", () => {
    const script = `${declarations}
      import { createWorker } from "./host/index.js";
      await createWorker({ app, redis: "${nowhere}" }).ready.then(() => { throw new Error("a Redis answered"); }, () => {});`;
    const loaded = packagesOf(script);
    expect(loaded).toContain("redis");
    expect(loaded.filter(isForOthers)).toEqual([]);
  });

  it("for `headrace start`, where the project has pipelines alone: none of these either", async () => {
    const pipelines = declarations.replace("./index.js", "headrace").replace("const app", "export const app");
    const project = await makeProject({ "pipelines/index.ts": pipelines });
    const loaded = packagesLoadedBy([join(dist, "cli/main.js"), "start"], {
      cwd: project.path,
      status: 1,
      env: { REDIS_URL: nowhere },
    });
    await project.remove();
    expect(loaded).toContain("redis");
    expect(loaded.filter(isForOthers)).toEqual([]);
  });

  it("for participants of sagas and for workflows: of Temporal what runs in its sandbox, and no driver", () => {
    expect(packagesOf('import "./participant/index.js"; import "./core/errors.js";')).toEqual([]);
    const loaded = packagesOf('import "./saga/index.js";');
    expect(loaded.filter((name) => name.startsWith("@temporalio/"))).toEqual(["@temporalio/common", "@temporalio/workflow"]);
    expect(loaded).not.toContain("redis");
  });
});
