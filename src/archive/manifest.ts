import { ConfigError, messageOf } from "../core/errors.ts";
import type { Generation, Manifest } from "../plan/archive.ts";
import { folderOf } from "./export.ts";

export const manifestPath = (of: Generation): string => `${folderOf(of)}/manifest.json`;

/** Sorted keys are not needed: it is read by programs, and by people who look for a file. */
export const printManifest = (manifest: Manifest): string => `${JSON.stringify(manifest, undefined, 2)}\n`;

/** @throws ConfigError where it is no manifest of ours: what is not understood must not be taken for nothing */
export function parseManifest(text: string, path: string): Manifest {
  try {
    const manifest: Manifest = JSON.parse(text);
    if (manifest.kind === "headrace.archive" && manifest.version === 1) return manifest;
    throw new Error(`it is of kind '${manifest.kind}', version ${manifest.version}`);
  } catch (error) {
    throw new ConfigError("archive.refused", `${path} is no manifest that can be read: ${messageOf(error)}`, {
      cause: error,
      hint: "Restore the file from a copy of the store, or use the Headrace that wrote it.",
    });
  }
}

export const inOrder = (manifests: readonly Manifest[]): readonly Manifest[] =>
  [...manifests].sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : a.generation - b.generation));
