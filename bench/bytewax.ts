import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startProgram } from "./child.ts";
import { tumblingPlain } from "./keyed.ts";
import { installable, type Peer, peerDirectory, runIn } from "./peer.ts";
import { readsPlain, rivalEnv } from "./plain-rival.ts";

const version = "0.21.1";
const packages = [`bytewax==${version}`, "orjson==3.13.0", "redis==8.1.0"];
const program = fileURLToPath(new URL("peers/bytewax-tumbling.py", import.meta.url));
const pythonOf = (directory: string) => join(directory, "bin", "python");

/** Bytewax: the windows of `tumbling`, from the same plain entries. It reads them through no group, and says itself when it is done. */
export const bytewax: Peer = {
  ...installable("bytewax"),
  contestant: {
    name: "bytewax",
    against: tumblingPlain,
    prepare: readsPlain.prepare,
    start: ({ stack, events }) =>
      startProgram(pythonOf(peerDirectory("bytewax")), [program, String(events.length)], { env: rivalEnv(stack) }),
    done: async (_, child) => Number(child.latest()["done"]),
    makesRows: false,
  },
  recipe: {
    version,
    install: async (directory) => {
      await runIn(directory, "python3", ["-m", "venv", directory]);
      const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
      await runIn(directory, pythonOf(directory), [...install, ...packages]);
    },
  },
};
