import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** More than the mark is long, and than the pieces in which it comes. */
const bytesOfMark = 64;
const piecesOfMark = 3;
const program = fileURLToPath(new URL("./verb-host-main.mjs", import.meta.url));

export interface VerbCall {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** All of standard input. */
  readonly input: string;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs one verb at a time. */
interface Host {
  run(call: VerbCall): Promise<Ran>;
}

const idle: Host[] = [];

/**
 * Runs a verb in a process that has run others before: most of what a verb costs is what it loads. Verbs that are called side by side run
 * in processes of their own. All of them end with this process.
 */
export async function runInHost(call: VerbCall): Promise<Ran> {
  const host = idle.pop() ?? (await startHost());
  const ran = await host.run(call);
  idle.push(host);
  return ran;
}

async function startHost(): Promise<Host> {
  const child = fork(program, { stdio: ["ignore", "pipe", "pipe", "ipc"], serialization: "advanced" });
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the process that runs verbs has ended (${code ?? signal})`);
  });
  ended.catch(() => {}); // told to the verb that runs then
  await Promise.race([once(child, "message"), ended]);
  const handles = [child, child.channel, child.stdout as Socket, child.stderr as Socket];
  const keep = (isRunning: boolean) => {
    for (const handle of handles) isRunning ? handle?.ref() : handle?.unref();
  };
  keep(false);
  return {
    run: async (call) => {
      keep(true);
      try {
        return await Promise.race([answerOf(child, call), ended]);
      } finally {
        keep(false);
      }
    },
  };
}

/** The mark is the last that the host writes on both its streams: what stands before it is all that the verb has said. */
async function answerOf(child: ChildProcess, call: VerbCall): Promise<Ran> {
  const mark = `\0${randomUUID()}\0`;
  const answer = Promise.all([
    textBefore(child.stdout as Readable, new RegExp(`${mark}(\\d+)\n$`)),
    textBefore(child.stderr as Readable, new RegExp(`${mark}$`)),
  ]);
  child.send({ ...call, mark });
  const [[stdout, code], [stderr]] = await answer;
  return { code: Number(code), stdout, stderr };
}

/** What comes before a text that ends it, and what the text's group holds. */
function textBefore(stream: Readable, end: RegExp): Promise<readonly [text: string, group: string | undefined]> {
  const pieces: Buffer[] = [];
  return new Promise((resolve) => {
    const take = (piece: Buffer) => {
      pieces.push(piece);
      const found = end.exec(Buffer.concat(pieces.slice(-piecesOfMark)).subarray(-bytesOfMark).toString("latin1"));
      if (found === null) return;
      stream.off("data", take);
      const all = Buffer.concat(pieces);
      resolve([all.toString("utf8", 0, all.length - found[0].length), found[1]]);
    };
    stream.on("data", take);
  });
}
