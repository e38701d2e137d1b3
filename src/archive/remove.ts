import type { Generation } from "../plan/archive.ts";
import type { ArchiveStore } from "./port.ts";

/** The manifest first: files without one are nothing, and a manifest without its files would promise what is not there. */
export async function removeGeneration(of: Generation, store: ArchiveStore): Promise<void> {
  await store.withdraw(of);
  await store.remove(await store.files(of));
}
