import { pipeline, Readable } from "node:stream";
import * as zlib from "node:zlib";
import { ConfigError } from "../../core/errors.ts";

type Chunks = AsyncIterable<Buffer>;

interface Packing {
  readonly name: string;
  /** Its first bytes; a gap is any byte. */
  readonly magic: readonly (number | undefined)[];
  /** The command that unpacks it, without the name of the file. */
  readonly command: string;
  /** Where Node can do it. */
  readonly unpack?: () => NodeJS.ReadWriteStream;
}

const packings: readonly Packing[] = [
  { name: "gzip", magic: [0x1f, 0x8b], command: "gzip -dc", unpack: () => zlib.createGunzip() },
  { name: "Zstandard", magic: [0x28, 0xb5, 0x2f, 0xfd], command: "zstd -dc", ...unpackZstd() },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], command: "xz -dc" },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68, undefined, 0x31, 0x41, 0x59], command: "bzip2 -dc" },
  { name: "lz4", magic: [0x04, 0x22, 0x4d, 0x18], command: "lz4 -dc" },
  { name: "zip", magic: [0x50, 0x4b, 0x03, 0x04], command: "unzip -p" },
  {
    name: "the journal's own format",
    magic: [..."LPKSHHRH"].map((char) => char.charCodeAt(0)),
    command: "journalctl -o short-iso --file",
  },
];

/** Node has it from 22.15 on. */
function unpackZstd(): Pick<Packing, "unpack"> {
  const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: () => NodeJS.ReadWriteStream };
  return createZstdDecompress === undefined ? {} : { unpack: createZstdDecompress };
}

const utf16 = [
  { label: "utf-16le", magic: [0xff, 0xfe] },
  { label: "utf-16be", magic: [0xfe, 0xff] },
] as const;

const hasMagic = (bytes: Buffer, magic: Packing["magic"]): boolean =>
  magic.every((byte, at) => bytes[at] === byte || (byte === undefined && at < bytes.length));

/**
 * The UTF-8 bytes of an input that may be packed, or be UTF-16.
 * @throws ConfigError where it is neither, with the command that makes text of it
 */
export async function* plainBytes(name: string, input: Chunks): Chunks {
  const { head, all } = await peek(input);
  const packing = packings.find(({ magic }) => hasMagic(head, magic));
  if (packing !== undefined) {
    if (packing.unpack === undefined) throw unreadable(name, `it is packed (${packing.name})`, packing.command);
    const unpacked = packing.unpack();
    // What goes wrong in it is thrown where it is read.
    pipeline(Readable.from(all), unpacked, () => {});
    return yield* plainBytes(name, unpacked as unknown as Chunks);
  }
  const encoding = utf16.find(({ magic }) => hasMagic(head, magic));
  if (encoding !== undefined) return yield* decoded(all, encoding.label);
  const zeros = head.filter((byte) => byte === 0).length;
  // A machine that lost power may leave some zeros in a log. Text is never full of them.
  if (zeros > head.length / 3) {
    const isWide =
      Math.abs(zeros - head.length / 2) < head.length / 8 && head.subarray(0, 16).some((byte) => byte >= 0x20 && byte < 0x7f);
    throw isWide
      ? unreadable(name, "it seems to be UTF-16 without a byte order mark", "iconv -f UTF-16LE -t UTF-8")
      : unreadable(name, "it is binary, not lines of text", undefined);
  }
  yield* all;
}

/** Enough to tell what it is, though it may come byte by byte, and all of it. */
async function peek(input: Chunks): Promise<{ readonly head: Buffer; readonly all: Chunks }> {
  const iterator = input[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  let length = 0;
  let isOver = false;
  // A line that somebody types is text, whatever comes behind it.
  while (length < 8 && !first.some((chunk) => chunk.includes(0x0a))) {
    const next = await iterator.next();
    if (next.done) {
      isOver = true;
      break;
    }
    first.push(next.value);
    length += next.value.length;
  }
  async function* all(): Chunks {
    yield* first;
    if (isOver) return;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head: Buffer.concat(first).subarray(0, 4_096), all: all() };
}

async function* decoded(chunks: Chunks, label: "utf-16le" | "utf-16be"): Chunks {
  const decoder = new TextDecoder(label);
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

const unreadable = (name: string, reason: string, command: string | undefined): ConfigError =>
  new ConfigError("usage", `${name} cannot be read: ${reason}`, {
    hint:
      command === undefined
        ? "Give a file of text, with an event or an entry a line."
        : `Make text of it first: ${command} FILE | headrace send …`,
  });
