import { execFile, spawnSync } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { messageOf } from "../../src/core/errors.ts";
import { afterUs } from "../support/after-us.ts";
import type { BreakableService } from "./services.ts";
import { Untried } from "./untried.ts";

const run = promisify(execFile);
const chunkBytes = 64 * 1024;
const fullForMs = 5_000;

/** A disk of a service's own, in memory, that can be full. */
export interface SmallDisk {
  /** Leaves not a byte. */
  fill(): Promise<void>;
  free(): Promise<void>;
  unmount(): void;
}

/** Mounts one at a directory. @throws Untried where mounting is not allowed */
export async function mountSmallDisk(path: string, megabytes: number): Promise<SmallDisk> {
  await mkdir(path, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path]).catch((error) => {
    throw new Untried(`it mounts a small disk, which root may do (${messageOf(error).trim().split("\n").at(-1)})`);
  });
  const callOff = afterUs('umount -l "$1"', path);
  const unmount = () => {
    callOff();
    spawnSync("umount", ["--lazy", path]);
  };
  const ballast = join(path, "ballast");
  return {
    unmount,
    free: () => rm(ballast, { force: true }),
    fill: async () => {
      const file = await open(ballast, "a");
      try {
        for (let bytes = chunkBytes; bytes > 0; ) {
          const written = await file.write(Buffer.alloc(bytes)).then(
            ({ bytesWritten }) => bytesWritten,
            () => 0,
          );
          if (written === 0) bytes >>= 1;
        }
      } finally {
        await file.close();
      }
    },
  };
}

/** Fills the service's disk for a while. A service that ended over it is started again. */
export async function fillDisk(
  { smallDisk }: { readonly smallDisk: SmallDisk | undefined },
  service: BreakableService,
): Promise<void> {
  if (smallDisk === undefined) throw new Error("the fault asks for no small disk");
  await smallDisk.fill();
  await sleep(fullForMs);
  await smallDisk.free();
  if (service.hasEnded()) await service.restart();
}
