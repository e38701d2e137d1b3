import type { Readable, Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { DoorPlan } from "../plan/door.ts";
import { Problem } from "./problem.ts";

/** How long the next piece of a body may take, milliseconds. */
const pieceMs = 5_000;

/** By `content-encoding`. */
const inflaters: Readonly<Record<string, () => Transform>> = {
  "gzip": createGunzip,
  "x-gzip": createGunzip,
  "deflate": createInflate,
  "br": createBrotliDecompress,
};

export interface BodyOptions {
  /** The header `content-encoding`, as it came. */
  readonly encoding: string | undefined;
  /** The header `content-length`, as it came. */
  readonly length: string | undefined;
  readonly limits: Pick<DoorPlan, "maxBytes" | "maxInflatedBytes">;
  /** Told of each piece that is held, in bytes. */
  readonly hold: (bytes: number) => void;
}

/**
 * Reads the body of a request, inflated. It holds no more of it than the limits allow.
 * @throws Problem `too-large`, `too-slow`, `unsupported` for an encoding that is not known, `malformed` for one that the bytes are not in
 */
export async function readBody(body: Readable, { encoding, length, limits, hold }: BodyOptions): Promise<Buffer> {
  const tooLarge = (limit: number, what: string) =>
    new Problem("too-large", `the request measures more than ${limit} bytes${what}: send its events in parts`);
  if (Number(length ?? 0) > limits.maxBytes) throw tooLarge(limits.maxBytes, "");
  const inflate = inflaterOf(encoding);
  const wire = collector(limits.maxBytes, hold, () => tooLarge(limits.maxBytes, ""));
  await eachPiece(body, (piece) => wire.add(piece));
  if (!inflate) return wire.all();
  const plain = collector(limits.maxInflatedBytes, hold, () => tooLarge(limits.maxInflatedBytes, " once it is inflated"));
  inflate.end(wire.all());
  try {
    for await (const piece of inflate) plain.add(piece as Buffer);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(
      "malformed",
      `the body is not in the encoding '${encoding}': ${error instanceof Error ? error.message : error}`,
    );
  }
  return plain.all();
}

function inflaterOf(encoding: string | undefined): Transform | undefined {
  const name = (encoding ?? "identity").trim().toLowerCase();
  if (name === "identity" || name === "") return undefined;
  const make = Object.hasOwn(inflaters, name) ? inflaters[name] : undefined;
  if (make) return make();
  throw new Problem(
    "unsupported",
    `the encoding '${name.slice(0, 100)}' is not known: send ${Object.keys(inflaters).join(", ")} or none`,
  );
}

/** Gathers pieces up to a limit. */
function collector(limit: number, hold: BodyOptions["hold"], tooLarge: () => Problem) {
  const pieces: Buffer[] = [];
  let size = 0;
  return {
    add(piece: Buffer) {
      size += piece.length;
      if (size > limit) throw tooLarge();
      hold(piece.length);
      pieces.push(piece);
    },
    all: () => Buffer.concat(pieces),
  };
}

/** Resolves at the end of the body; what comes after a failure is not read. */
function eachPiece(body: Readable, take: (piece: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      done();
      body.pause();
      reject(error);
    };
    const late = () => fail(new Problem("too-slow", `the next piece of the body did not come within ${pieceMs / 1_000} s`));
    const timer = setTimeout(late, pieceMs);
    const onData = (piece: Buffer) => {
      timer.refresh();
      try {
        take(piece);
      } catch (error) {
        fail(error);
      }
    };
    const onEnd = () => {
      done();
      resolve();
    };
    const onClose = () => fail(new Problem("malformed", "the body broke off: nothing of it was stored"));
    const done = () => {
      clearTimeout(timer);
      body.off("data", onData).off("end", onEnd).off("error", onClose).off("close", onClose);
    };
    body.on("data", onData).on("end", onEnd).on("error", onClose).on("close", onClose);
  });
}
