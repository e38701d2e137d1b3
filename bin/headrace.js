#!/usr/bin/env node
// Plain JavaScript that old Nodes can parse: they get a sentence, not a syntax error.
import { existsSync } from "node:fs";

// What is said there is for people: where nobody can be told, work goes on.
process.stderr.on("error", () => {});

const oldest = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `Headrace needs Node ${oldest.join(".")} or newer, and this is Node ${process.versions.node}: install a newer one (22 or 24 are recommended).\n`,
  );
  process.exitCode = 1;
} else {
  start().catch((error) => {
    process.stderr.write(`headrace: ${error.message}\n`);
    process.exitCode = 1;
  });
}

async function start() {
  // In the repository src/ lies beside this folder, and dist/ must match it. An installed package has dist/ alone.
  const ready = new URL("../scripts/lib/ready.mjs", import.meta.url);
  if (existsSync(new URL("../src", import.meta.url)) && existsSync(ready)) {
    const { ensureReady } = await import(ready.href);
    await ensureReady();
  }
  await import("../dist/cli/main.js");
}
