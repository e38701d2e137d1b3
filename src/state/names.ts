/** Names under which a partition's states are stored. */

/** Under this name the watermark lies among the states: no stage is without a name. */
export const progressName = "\n";

export const nameOf = (stage: string, key: string): string => `${stage}\n${key}`;

export function splitName(name: string): { readonly stage: string; readonly key: string } {
  const end = name.indexOf("\n");
  return { stage: name.slice(0, end), key: name.slice(end + 1) };
}
