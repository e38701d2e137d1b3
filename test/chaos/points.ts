import type { FaultProxy } from "./proxy.ts";

/** The moments of a batch's way at which something can be made to happen, seen from the network. */
export type Point =
  /** The worker has begun to send an insert; ClickHouse has seen nothing of it. */
  | "before-insert"
  /** ClickHouse has part of an insert. */
  | "inside-insert"
  /** ClickHouse has confirmed an insert; the worker does not know. */
  | "after-insert"
  /** Everything is inserted; Redis has not seen the commit. */
  | "before-commit"
  /** Redis has committed; the worker does not know. */
  | "after-commit";

/** Of all that a worker asks of Redis, only the commit names where dead letters go. */
const isCommit = (piece: Buffer): boolean => piece.includes(":dlq\r\n");

const isInsertInto = (piece: Buffer, table: string): boolean => {
  const line = piece.subarray(0, 400).toString("latin1").split("\r\n", 1)[0] ?? "";
  return line.startsWith("POST ") && new RegExp(`INSERT.{1,12}INTO.{1,12}${table}`).test(line);
};

export interface At {
  readonly point: Point;
  /** Which of them, from 1. */
  readonly turn: number;
  /** @default "landed" */
  readonly table?: string;
}

/** Does `act` at the point, and keeps back what was under way there. Resolves when it is done. */
export function at(
  proxies: { readonly redis: FaultProxy; readonly clickhouse: FaultProxy },
  { point, turn, table = "landed" }: At,
  act: () => Promise<unknown>,
): Promise<void> {
  let left = turn;
  return new Promise((resolve, reject) => {
    const finish = async () => {
      left = 0;
      untap();
      await act().then(() => resolve(), reject);
      return "drop" as const;
    };
    const mark = "point";
    const proxy = point.endsWith("insert") ? proxies.clickhouse : proxies.redis;
    const begins = (piece: Buffer) => (point.endsWith("insert") ? isInsertInto(piece, table) : isCommit(piece));
    const untap = proxy.tap(async (piece, link, direction) => {
      if (left === 0) return;
      if (direction === "upstream" && begins(piece)) {
        link.notes.set(mark, true);
        if (point.startsWith("before") && --left === 0) return finish();
        if (point === "inside-insert" && --left === 0) {
          link.server.write(piece.subarray(0, Math.ceil(piece.length / 2)));
          return finish();
        }
      } else if (direction === "downstream" && link.notes.delete(mark)) {
        if (point.startsWith("after") && --left === 0) return finish();
      }
    });
  });
}

export interface Held {
  /** Lets it go on, whether or not the worker still waits for it. */
  release(): void;
  /** Resolves with the first line of the answer to it. */
  readonly answered: Promise<string>;
}

/** Resolves when the insert of that turn has arrived, and is being held. */
export const holdInsert = (
  proxy: FaultProxy,
  { turn, table = "landed" }: { readonly turn: number; readonly table?: string },
): Promise<Held> => hold(proxy, turn, (piece) => isInsertInto(piece, table));

/** The same for a question after keyed states. All that the worker asks of Redis behind it waits as well. */
export const holdQuestion = (proxy: FaultProxy, { turn }: { readonly turn: number }): Promise<Held> =>
  hold(proxy, turn, (piece) => piece.includes(":state:chaos\r\n") && !isCommit(piece));

function hold(proxy: FaultProxy, turn: number, isIt: (piece: Buffer) => boolean): Promise<Held> {
  let left = turn;
  return new Promise((resolve) => {
    const untap = proxy.tap((piece, held, direction) => {
      if (direction !== "upstream" || !isIt(piece) || --left > 0) return;
      untap();
      const answered = new Promise<string>((answer) => {
        const done = proxy.tap((reply, link, way) => {
          if (link !== held || way !== "downstream") return;
          done();
          answer(reply.toString("latin1").split("\r\n", 1)[0] ?? "");
        });
      });
      held.lingers = answered;
      return new Promise<undefined>((goOn) => resolve({ release: () => goOn(undefined), answered }));
    });
  });
}
