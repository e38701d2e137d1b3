import { createClient, RESP_TYPES } from "redis";

/** Keeps the keys of a server that begin with `prefix` as they are now; what it returns puts them back, in one step. */
export async function snapshotOf(url: string, prefix = ""): Promise<() => Promise<void>> {
  const kept = await withServer(url, async (send) => {
    const keys = await keysOf(send, prefix);
    return Promise.all(keys.map(async (key) => [key, (await send(["DUMP", key])) as Buffer] as const));
  });
  return () =>
    withServer(url, async (send) => {
      const now = await keysOf(send, prefix);
      const commands: Args[] = [["MULTI"]];
      if (now.length > 0) commands.push(["DEL", ...now]);
      for (const [key, dump] of kept) commands.push(["RESTORE", key, "0", dump]);
      await Promise.all([...commands, ["EXEC"]].map((command) => send(command)));
    });
}

type Args = (string | Buffer)[];
type Send = (args: Args) => Promise<unknown>;

/** By hand: no pattern, in which braces and stars would mean something. */
async function keysOf(send: Send, prefix: string): Promise<readonly Buffer[]> {
  const start = Buffer.from(prefix);
  return ((await send(["KEYS", "*"])) as Buffer[]).filter((key) => key.subarray(0, start.length).equals(start));
}

async function withServer<Answer>(url: string, work: (send: Send) => Promise<Answer>): Promise<Answer> {
  const client = createClient({ url });
  await client.connect();
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  try {
    return await work((args) => bytes.sendCommand(args));
  } finally {
    client.destroy();
  }
}
