import { resolve } from "node:path";
import { exitCodes, say } from "./output.ts";
import type { ServiceLocation } from "./services.ts";
import { bundleWorkflowsOf, defaultBundlePath, writeBundle } from "./start/workflow-bundle.ts";

/** `headrace bundle`: the workflows as one file, so that saga workers start at once and an image holds what was tested. */
export async function bundleVerb({ cwd, out }: ServiceLocation & { readonly out?: string | undefined }): Promise<number> {
  const path = resolve(cwd, out ?? defaultBundlePath);
  const bundle = await bundleWorkflowsOf(cwd);
  writeBundle(path, { bundle, cwd });
  say(`${path}: ${bundle.files.length} files, ${Math.round(bundle.code.length / 1024)} KiB.`);
  return exitCodes.fine;
}
