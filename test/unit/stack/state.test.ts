import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError, messageOf } from "../../../src/core/errors.ts";
import { lockDirectory } from "../../../src/stack/lock.ts";
import { choosePorts } from "../../../src/stack/ports.ts";
import { isAlive, startMarkOf } from "../../../src/stack/process-check.ts";
import { standardPorts } from "../../../src/stack/settings.ts";
import { makeDirectories, readStack, stateFault, writeStack } from "../../../src/stack/state-file.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "headrace-state-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** The user id of nobody. */
const somebody = 65_534;

/** The pid of a process that has ended. */
const deadPid = () => Number(execFileSync("/bin/sh", ["-c", "echo $$"], { encoding: "utf8" }));

test("a lock is held once, given back, and leaves nothing behind", () => {
  const unlock = lockDirectory(dir);
  expect(() => lockDirectory(dir)).toThrow(`process ${process.pid} runs a stack on ${dir} already`);
  unlock();
  unlock();
  expect(readdirSync(dir)).toEqual([]);
  lockDirectory(dir)();
});

test("the lock of a process that is gone, that is another one by now, or that was never finished is taken over", () => {
  const lock = join(dir, "up.lock");
  const stale = [
    JSON.stringify({ pid: deadPid() }),
    JSON.stringify({ pid: process.pid, startMark: "another" }),
    "",
    '{"pid":',
    '{"pid":-1}',
  ];
  for (const content of stale) {
    writeFileSync(lock, content);
    const unlock = lockDirectory(dir);
    expect(JSON.parse(readFileSync(lock, "utf8"))).toMatchObject({ pid: process.pid });
    unlock();
    expect(existsSync(lock)).toBe(false);
  }
});

test("a running stack is read back; one whose process is gone, or a broken file, is none", () => {
  const stack = { redis: "r", clickhouse: "c", temporal: "t", temporalUi: "u", dir, pid: process.pid };
  writeStack(stack);
  expect(readStack(dir)).toEqual(stack);
  for (const content of [
    JSON.stringify({ ...stack, pid: deadPid() }),
    JSON.stringify({ ...stack, startMark: "another" }),
    '{"redis":',
    "{}",
  ]) {
    writeFileSync(join(dir, "stack.json"), content);
    expect(readStack(dir)).toBeUndefined();
  }
  expect(readStack(join(dir, "nowhere"))).toBeUndefined();
});

test("a directory that cannot be used is told in a sentence with the way out", () => {
  writeFileSync(join(dir, "file"), "");
  expect(() => makeDirectories(join(dir, "file", "below"), [])).toThrow(
    `the state of the stack cannot be kept in ${join(dir, "file", "below")}: a part of its path is a file`,
  );
  expect(() => makeDirectories(join(dir, "file"), [])).toThrow("a file is in its place");
  for (const _ of ["made", "there"]) makeDirectories(join(dir, "a", "b"), ["c"]);
  expect(existsSync(join(dir, "a", "b", "c"))).toBe(true);
  const full = stateFault("/d", Object.assign(new Error("x"), { code: "ENOSPC" }));
  expect([full.code, full.message, full.hint]).toEqual([
    "stack.state",
    "the state of the stack cannot be kept in /d: the disk is full",
    "Make room or correct its rights, or name another directory with --dir.",
  ]);
  // What may be entered and not written, and what may not even be entered.
  for (const mode of [0o555, 0o444]) {
    const closed = join(dir, `closed-${mode}`);
    mkdirSync(closed);
    chmodSync(closed, mode);
    expect(refusalOf(closed)).toBe(`the state of the stack cannot be kept in ${closed}: it may not be written`);
  }
});

/** What locking a directory is refused with. Root may write everywhere, so it asks as somebody who may not. */
function refusalOf(closed: string): string {
  const { getuid, seteuid } = process;
  const isRoot = getuid?.() === 0;
  if (isRoot) {
    // The way there has to be open to everybody.
    chmodSync(dir, 0o755);
    seteuid?.(somebody);
  }
  try {
    lockDirectory(closed)();
    return "nothing";
  } catch (error) {
    return messageOf(error);
  } finally {
    if (isRoot) seteuid?.(0);
  }
}

test("free ports are four different ones, and the same at the next time", async () => {
  const ports = await choosePorts("free", dir);
  expect(new Set(Object.values(ports)).size).toBe(4);
  expect(await choosePorts("free", dir)).toEqual(ports);
  writeFileSync(join(dir, "ports.json"), '{"redis":70000}');
  expect(new Set(Object.values(await choosePorts("free", dir))).size).toBe(4);
});

test("a standard port that is taken is named, with the way out", async () => {
  const holder = createServer().listen(standardPorts.temporalUi, "127.0.0.1");
  // When somebody else has it already, it is taken just as well.
  await Promise.race([once(holder, "listening"), once(holder, "error")]);
  try {
    const error = await choosePorts("standard", dir).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({
      code: "stack.port",
      message: expect.stringMatching(/^port \d+, the standard one of .*, is taken$/),
    });
  } finally {
    holder.close();
  }
});

test("this process lives and has a start mark; one that has ended does not", () => {
  expect(isAlive(process.pid)).toBe(true);
  expect(startMarkOf(process.pid)).toBeTruthy();
  expect(isAlive(deadPid())).toBe(false);
});
