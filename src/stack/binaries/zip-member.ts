import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";

/** Sizes and signatures of the ZIP format (PKWARE APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16). */
const endSignature = 0x06054b50;
const endBytes = 22;
const maxCommentBytes = 0xffff;
const entrySignature = 0x02014b50;
const entryBytes = 46;
const localBytes = 30;

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly localAt: number;
}

/**
 * Unpacks the one member of a zip file whose name fits, into `target`. Answers the sha256 of what was written.
 * Reads what wheels use: no encryption, no ZIP64, stored or deflated. Rejects when no member fits.
 */
export async function unpackZipMember(zip: string, member: RegExp, target: string): Promise<string> {
  const { entry, dataAt } = await findEntry(zip, member);
  const raw = createReadStream(zip, { start: dataAt, end: dataAt + Math.max(0, entry.compressedBytes - 1) });
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      done(null, piece);
    },
  });
  const out = createWriteStream(target, { flags: "wx", mode: 0o755 });
  if (entry.method === 0) await pipeline(raw, hashing, out);
  else if (entry.method === 8) await pipeline(raw, createInflateRaw(), hashing, out);
  else throw new Error(`${entry.name} is packed with method ${entry.method}`);
  return hash.digest("hex");
}

async function findEntry(zip: string, member: RegExp): Promise<{ entry: ZipEntry; dataAt: number }> {
  const file = await open(zip, "r");
  try {
    const { size } = await file.stat();
    const tail = await readAt(file, Math.max(0, size - endBytes - maxCommentBytes), Math.min(size, endBytes + maxCommentBytes));
    let end = tail.length - endBytes;
    while (end >= 0 && tail.readUInt32LE(end) !== endSignature) end -= 1;
    if (end < 0) throw new Error("it is no zip file");
    const directory = await readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    const entry = entriesOf(directory).find(({ name }) => member.test(name));
    if (entry === undefined) throw new Error(`nothing in it is named ${member.source}`);
    const local = await readAt(file, entry.localAt, localBytes);
    return { entry, dataAt: entry.localAt + localBytes + local.readUInt16LE(26) + local.readUInt16LE(28) };
  } finally {
    await file.close();
  }
}

function entriesOf(directory: Buffer): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let at = 0;
  while (at + entryBytes <= directory.length && directory.readUInt32LE(at) === entrySignature) {
    const nameBytes = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString("utf8", at + entryBytes, at + entryBytes + nameBytes),
      method: directory.readUInt16LE(at + 10),
      compressedBytes: directory.readUInt32LE(at + 20),
      localAt: directory.readUInt32LE(at + 42),
    });
    at += entryBytes + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

async function readAt(file: Awaited<ReturnType<typeof open>>, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
