/**
 * The oldest Node that Headrace runs on. This file and its importers must parse on older Nodes too,
 * or the person would see a syntax error instead of the sentence.
 */
const oldestNode = "20.19";

/** One sentence when `version` is too old, else undefined. */
export function nodeTooOld(version = process.versions.node) {
  const [major, minor] = version.split(".").map(Number);
  const [needMajor, needMinor] = oldestNode.split(".").map(Number);
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return undefined;
  return `Headrace needs Node ${oldestNode} or newer, and this is Node ${version}: install a newer one (22 or 24 are recommended) and run the command again.`;
}
