import { accessSync, constants, mkdirSync, readdirSync, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../process-check.ts";

/** Data of one INSERT, in a file that the engine can read. */
export interface SpooledData {
  readonly path: string;
  readonly bytes: number;
  remove(): Promise<void>;
}

/** Takes the data of one INSERT as it arrives. */
export interface SpoolSink {
  write(piece: Buffer): Promise<void>;
  finish(): Promise<SpooledData>;
  discard(): Promise<void>;
}

/** Where the data of INSERTs waits for the engine. */
export interface Spool {
  open(): SpoolSink;
}

/** Up to here the data is kept in memory and written to the memory file system in one go; beyond, it goes to disk. */
const inMemoryBytes = 16 * 1024 * 1024;

/** A spool that uses memory for what is small and `diskDir` for what is large. Files of a former life are removed. */
export function openSpool(diskDir: string): Spool {
  const memoryDir = memoryFileSystem();
  const prefix = `headrace-${process.pid}-`;
  mkdirSync(diskDir, { recursive: true });
  for (const name of readdirSync(diskDir)) rmSync(join(diskDir, name), { force: true });
  removeLeftovers(memoryDir);
  let serial = 0;
  const nextName = (): string => {
    serial += 1;
    return `${prefix}${serial}`;
  };
  return { open: () => openSink(join(memoryDir, nextName()), join(diskDir, nextName())) };
}

function openSink(memoryPath: string, diskPath: string): SpoolSink {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let file: FileHandle | undefined;
  const flush = async (to: FileHandle): Promise<void> => {
    const all = pieces;
    pieces = [];
    if (all.length > 0) await writeAll(to, all);
  };
  return {
    async write(piece) {
      if (piece.length === 0) return;
      bytes += piece.length;
      pieces.push(piece);
      if (file === undefined && bytes > inMemoryBytes) file = await open(diskPath, "wx", 0o600);
      if (file !== undefined) await flush(file);
    },
    async finish() {
      const path = file === undefined ? memoryPath : diskPath;
      file ??= await open(path, "wx", 0o600);
      try {
        await flush(file);
      } finally {
        await file.close();
      }
      return { path, bytes, remove: () => rm(path, { force: true }) };
    },
    async discard() {
      pieces = [];
      await file?.close().catch(() => {});
      await Promise.all([rm(memoryPath, { force: true }), rm(diskPath, { force: true })]);
    },
  };
}

async function writeAll(file: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  // The kernel takes at most 1024 buffers a call, and may take less than all of it when the disk fills up.
  for (let at = 0; at < pieces.length; at += 1_000) {
    const group = pieces.slice(at, at + 1_000);
    const wanted = group.reduce((sum, piece) => sum + piece.length, 0);
    const { bytesWritten } = await file.writev(group);
    if (bytesWritten !== wanted) await file.write(Buffer.concat(group).subarray(bytesWritten));
  }
}

function memoryFileSystem(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

/** A kill -9 may leave files in memory: those of processes that are gone are removed. */
function removeLeftovers(dir: string): void {
  for (const name of readdirSync(dir)) {
    const pid = Number(/^headrace-(\d+)-\d+$/.exec(name)?.[1]);
    if (!pid || isAlive(pid)) continue;
    try {
      rmSync(join(dir, name), { force: true });
    } catch {
      // Another user's file: not ours to remove.
    }
  }
}
