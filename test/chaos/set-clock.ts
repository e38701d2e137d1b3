import { readdirSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Untried } from "./untried.ts";

/** Where Debian and its kin, Fedora and Arch put it. */
const places = [
  "/usr/lib/x86_64-linux-gnu/faketime",
  "/usr/lib/aarch64-linux-gnu/faketime",
  "/usr/lib64/faketime",
  "/usr/lib/faketime",
];

/** The wall clock of a process that is started with `env`. Its monotonic clock goes on. */
export interface SetClock {
  readonly env: Readonly<Record<string, string>>;
  /** From now on it is so far ahead of the machine's; behind it where that is negative. */
  step(seconds: number): Promise<void>;
}

/** @throws Untried where there is no libfaketime */
export async function openSetClock(directory: string): Promise<SetClock> {
  const library = places.flatMap((place) =>
    filesIn(place)
      .filter((name) => name === "libfaketime.so.1")
      .map((name) => join(place, name)),
  )[0];
  if (library === undefined) throw new Untried("it needs libfaketime (Debian: apt-get install libfaketime)");
  const file = join(directory, "clock");
  const step = async (seconds: number) => {
    // It is read at any moment: never half of it.
    await writeFile(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
    await rename(`${file}.new`, file);
  };
  await step(0);
  return {
    step,
    env: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
  };
}

function filesIn(place: string): readonly string[] {
  try {
    return readdirSync(place);
  } catch {
    return [];
  }
}
