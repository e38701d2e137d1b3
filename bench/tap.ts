import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An insert that ClickHouse has confirmed. */
export interface Insert {
  /** When, milliseconds since the epoch. */
  readonly at: number;
  readonly body: Buffer;
}

/** Stands between ClickHouse and whoever inserts, and notes when each insert has ended; it changes nothing. */
export interface Tap {
  readonly url: string;
  readonly inserts: readonly Insert[];
  /** Resolves when no request is under way: rows can be read a little before their insert is answered. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds since the epoch, finer than whole ones. */
export const epochMs = (): number => performance.timeOrigin + performance.now();

export async function openTap(clickhouseUrl: string): Promise<Tap> {
  const target = new URL(clickhouseUrl);
  const agent = new Agent({ keepAlive: true });
  const inserts: Insert[] = [];

  let underWay = 0;
  let onSettled = () => {};

  const forward = (asked: IncomingMessage, answer: ServerResponse) => {
    underWay++;
    answer.once("close", () => {
      underWay--;
      if (underWay === 0) onSettled();
    });
    const pieces: Buffer[] = [];
    const { method, url, headers } = asked;
    const call = request({ host: target.hostname, port: target.port, agent, method, path: url, headers }, (reply) => {
      // ClickHouse answers an insert when its rows can be read.
      if (reply.statusCode === 200 && isInsert(url)) inserts.push({ at: epochMs(), body: Buffer.concat(pieces) });
      answer.writeHead(reply.statusCode as number, reply.headers);
      reply.pipe(answer);
    });
    call.on("error", () => answer.destroy());
    asked.on("data", (piece) => pieces.push(piece));
    asked.pipe(call);
  };

  const server = createServer(forward).listen(0, "127.0.0.1");
  await once(server, "listening");
  const self = new URL(clickhouseUrl);
  self.port = String((server.address() as AddressInfo).port);
  return {
    url: self.href.replace(/\/$/, ""),
    inserts,
    settled: () =>
      new Promise((resolve) => {
        onSettled = resolve;
        if (underWay === 0) resolve();
      }),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      agent.destroy();
    },
  };
}

const isInsert = (url = ""): boolean =>
  /^insert\s+into\b[^(]*\blogin_events\b/i.test(new URL(url, "http://tap").searchParams.get("query") ?? "");
