import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startProgram } from "./child.ts";
import { installable, type Peer, peerDirectory, runIn } from "./peer.ts";
import { readsPlain, rivalEnv } from "./plain-rival.ts";

const version = "0.7.8";
const packages = [`faststream[redis]==${version}`, "httpx==0.28.1", "orjson==3.13.0"];
const program = fileURLToPath(new URL("peers/faststream-subscriber.py", import.meta.url));
const pythonOf = (directory: string) => join(directory, "bin", "python");

/** FastStream: its batch subscriber of a Redis stream. */
export const faststream: Peer = {
  ...installable("faststream"),
  contestant: {
    ...readsPlain,
    name: "faststream",
    start: ({ stack }) => startProgram(pythonOf(peerDirectory("faststream")), [program], { env: rivalEnv(stack) }),
  },
  recipe: {
    version,
    install: async (directory) => {
      await runIn(directory, "python3", ["-m", "venv", directory]);
      await runIn(directory, pythonOf(directory), [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        ...packages,
      ]);
    },
  },
};
