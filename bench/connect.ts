import { spawnSync } from "node:child_process";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startProgram } from "./child.ts";
import type { Contestant } from "./measure.ts";
import { installable, type Peer, peerDirectory, runIn } from "./peer.ts";
import { readsPlain, rivalEnv } from "./plain-rival.ts";

const path = (name: string) => fileURLToPath(new URL(`peers/${name}`, import.meta.url));
const config = path("connect.yaml");

/** Either of the two that read the same configuration. */
const contestant = (name: string, command: string, args: readonly string[]): Contestant => ({
  ...readsPlain,
  name,
  start: ({ stack }) =>
    startProgram(command, args, {
      env: rivalEnv(stack),
      isReady: ({ msg }) => msg === "Input type redis_streams is now active",
    }),
});

const redpandaProgram = process.env["REDPANDA_CONNECT"] || "redpanda-connect";

/** Redpanda Connect is no free software as a whole: it is measured where somebody has it. */
export const redpandaConnect: Peer = {
  contestant: contestant("redpanda-connect", redpandaProgram, ["run", config]),
  version: () => {
    const { stdout } = spawnSync(redpandaProgram, ["--version"], { encoding: "utf8" });
    return stdout ? (/^Version:\s*v?(\S+)/m.exec(stdout)?.[1] ?? "unknown") : undefined;
  },
  missing:
    "install it as its documentation says, so that 'redpanda-connect' is on the PATH, or name the program in REDPANDA_CONNECT",
};

const bentoVersion = "1.19.0";
const bentoModule = "github.com/warpstreamlabs/bento";
const bentoProgram = join(peerDirectory("bento"), "bento");

/** Bento, the fork of the same engine under the MIT licence: the same configuration, and the three components that it needs. */
export const bento: Peer = {
  ...installable("bento"),
  contestant: contestant("bento", bentoProgram, ["-c", config]),
  recipe: {
    version: bentoVersion,
    install: async (directory) => {
      await copyFile(path("bento.go"), join(directory, "main.go"));
      await runIn(directory, "go", ["mod", "init", "bento"]);
      const packages = ["service", "components/io", "components/pure", "components/redis"];
      await runIn(directory, "go", ["get", ...packages.map((name) => `${bentoModule}/public/${name}@v${bentoVersion}`)]);
      await runIn(directory, "go", ["build", "-o", "bento", "."]);
    },
  },
};
