import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { headrace, startHeadrace } from "../support/headrace.ts";
import { notTried } from "../support/not-tried.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { type PackedProject, packedProject } from "../support/packed-project.ts";
import { temporalAddress, unique } from "../support/services.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

let project: PackedProject;
let operator: Operator;
beforeAll(async () => {
  [project, operator] = await Promise.all([packedProject(["@types", "fastify", "zod"]), openOperator()]);
}, 120_000);
afterAll(async () => {
  await operator.stopAll();
  await project.remove();
}, 60_000);

describe("an empty project that has installed the package", () => {
  it("runs with pipelines alone, on Redis alone where they read and write streams", async () => {
    await project.write({
      "streams/package.json": "{}",
      "streams/pipelines/index.ts": `
        import { defineApp, defineEvent, defineStream, pipeline } from "headrace";
        import { z } from "zod";
        const read = defineEvent("meter.read", z.object({ meter: z.string() }), { key: ({ meter }) => meter });
        const readings = defineStream("readings", { events: [read] });
        const copies = defineStream("copies", { events: [read] });
        export const app = defineApp({ pipelines: [pipeline("copying").from(readings).emit(copies, ({ data }) => read(data))] });`,
    });
    const at = {
      cwd: join(project.path, "streams"),
      program: project.bin,
      env: { REDIS_URL: operator.env["REDIS_URL"] as string, CLICKHOUSE_URL: "", TEMPORAL_ADDRESS: "" },
    };
    const worker = await startHeadrace(["start", "--json"], at);
    try {
      expect(worker.ready).toMatchObject({ roles: ["worker"] });
      await headrace(["send", "readings"], { ...at, input: '{"type":"meter.read","data":{"meter":"m1"}}\n' });
      await vi.waitFor(
        async () =>
          expect(JSON.parse((await headrace(["audit", "--json"], at)).stdout)).toMatchObject({
            pipeline: "copying",
            delivered: 1,
            balanced: true,
          }),
        { timeout: 20_000, interval: 50 },
      );
    } finally {
      await worker.stop();
    }
    expect(worker.process.exitCode).toBe(0);
  }, 60_000);
});

/** The files that the chapter shows, by the paths that stand in them. */
const chapter = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...readFileSync(join(repository, "docs/embedding.md"), "utf8").matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(
      ([, path, code]) => [path as string, code as string],
    ),
  );

/** Whether a runner is on this machine, in the PATH. */
const has = (program: string): boolean => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;

describe("the programs of docs/embedding.md", () => {
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  });

  beforeAll(async () => {
    for (const [folder, type] of [
      ["esm", "module"],
      ["cjs", "commonjs"],
    ]) {
      await project.write({ [`${folder}/package.json`]: JSON.stringify({ type }) });
      for (const [path, code] of Object.entries(chapter())) await project.write({ [`${folder}/${path}`]: code });
      const tsc = join(repository, "node_modules/@typescript/native/bin/tsc");
      const options = { module: "nodenext", target: "es2022", types: "node", outDir: "out" };
      const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
      const args = [
        tsc,
        ...flags,
        "--strict",
        "--skipLibCheck",
        "--rewriteRelativeImportExtensions",
        "server.ts",
        "tickets/worker.ts",
      ];
      const compiled = spawnSync(process.execPath, args, { cwd: join(project.path, folder as string), encoding: "utf8" });
      expect(compiled.stdout).toBe("");
    }
    await headrace(["migrate", "--apply"], { cwd: join(project.path, "esm"), program: project.bin, env: operator.env });
  }, 120_000);

  /** Runs the server, has it take a visit that comes out in ClickHouse, refuse what is none, and end in order. */
  async function serve(program: string, args: readonly string[], folder: string): Promise<void> {
    const child = spawn(program, args, {
      cwd: join(project.path, folder),
      env: { ...process.env, ...operator.env, PORT: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.push(child);
    const exit = once(child, "exit");
    let said = "";
    child.stderr.on("data", (data) => {
      said += data;
    });
    const address = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        said += `${line}\n`;
        const [, url] = /Server listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(line) ?? [];
        if (url) resolve(url);
      });
      exit.then(([code]) => reject(new Error(`${program} ended with ${code}: ${said}`)), reject);
    });
    const post = (body: object) =>
      fetch(`${address}/visits`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
    const visitor = `${program} ${folder}`;
    expect((await post({ page: "/", visitor })).status).toBe(202);
    expect((await post({ page: 7, visitor })).status).toBe(400);
    await vi.waitFor(
      async () =>
        expect(await operator.sql(`SELECT page FROM visits FINAL WHERE visitor = '${visitor}'`)).toEqual([{ page: "/" }]),
      { timeout: 20_000, interval: 50 },
    );
    child.kill("SIGTERM");
    expect({ exit: await exit, said }).toMatchObject({ exit: [0, null] });
    expect(said).not.toContain('"level":50');
  }

  it("runs as an ES module", () => serve(process.execPath, ["out/server.js"], "esm"), 60_000);

  it("runs as CommonJS, by require", async () => {
    expect(readFileSync(join(project.path, "cjs/out/server.js"), "utf8")).toContain('require("headrace/host")');
    await serve(process.execPath, ["out/server.js"], "cjs");
  }, 60_000);

  it("runs sagas beside it", async () => {
    const tickets = join(project.path, "esm/tickets");
    const at = { cwd: tickets, program: project.bin, env: operator.env };
    await headrace(["migrate", "--apply"], at);
    const child = spawn(process.execPath, ["../out/tickets/worker.js"], {
      cwd: tickets,
      env: { ...process.env, ...operator.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    running.push(child);
    const exit = once(child, "exit");
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    await vi.waitFor(() => expect(lines).toContain("ready"), { timeout: 50_000, interval: 50 });
    const saleId = unique("sale-");
    await headrace(["send", "sales"], {
      ...at,
      input: `${JSON.stringify({ type: "sale.asked", data: { saleId, seat: "12a" } })}\n`,
    });
    const connection = await Connection.connect({ address: temporalAddress() });
    try {
      const sale = new Client({ connection }).workflow.getHandle(`sale/${saleId}`);
      const ended = async () => expect((await sale.describe()).status.name).toBe("COMPLETED");
      await vi.waitFor(ended, { timeout: 20_000, interval: 50 });
      expect(await sale.result()).toBe(`receipt of ${saleId} (sale/${saleId}/payment)`);
    } finally {
      await connection.close();
    }
    expect(lines).toContain(`sale/${saleId}/seat: 12a is held`);
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  }, 90_000);

  for (const runner of ["tsx", "bun"]) {
    if (has(runner))
      it.each(["esm", "cjs"])(`runs under ${runner}, as %s`, (folder) => serve(runner, ["server.ts"], folder), 60_000);
    else notTried(`the server of docs/embedding.md under ${runner}`, `there is no ${runner} in the PATH`);
  }
});
