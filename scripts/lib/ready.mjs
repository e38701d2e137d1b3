/** Installs and builds what is missing or stale; does nothing, quickly, when all is there. */
export async function ensureReady() {
  const { ensureInstalled } = await import("./install.mjs");
  const { ensureBuilt, repository } = await import("./build.mjs");
  const say = (line) => process.stderr.write(`headrace: ${line}\n`);
  await ensureInstalled({ root: repository, say });
  await ensureBuilt({ root: repository, say });
}
