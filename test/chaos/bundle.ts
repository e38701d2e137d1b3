import { join } from "node:path";
import { headrace } from "../support/headrace.ts";

const bundles = new Map<string, Promise<string>>();

/** The workflows of an application as one file, made once for all faults, as an image holds them. @param into where the first keeps it */
export function bundleOf(application: string, into: string): Promise<string> {
  const made = bundles.get(application) ?? bundle(application, join(into, "workflows.js"));
  bundles.set(application, made);
  return made;
}

async function bundle(application: string, path: string): Promise<string> {
  await headrace(["--cwd", application, "bundle", "--out", path]);
  return path;
}
