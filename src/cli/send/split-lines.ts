import { nth } from "../../core/nth.ts";
/** A line of text, without its end. */
export interface Line {
  readonly text: string;
  /** Why it is not what the input held. */
  readonly fault?: "too-long" | "not-utf8";
}

/** Four times what an event may measure: a longer line cannot be an event, and must not fill the memory. */
export const maxLineBytes = 1024 * 1024;

const newline = 0x0a;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Splits UTF-8 at `\n` and `\r\n`, and nowhere else: JSON may hold U+2028, which other splitters take for the end of a line. */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncIterable<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (bytes: Buffer): void => {
    length += bytes.length;
    if (length <= maxLineBytes) parts.push(bytes);
    else parts = [];
  };
  const take = (): Line => {
    const line = length > maxLineBytes ? tooLong : lineOf(parts.length === 1 ? nth(parts, 0) : Buffer.concat(parts));
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      add(chunk.subarray(begin, end));
      yield take();
      begin = end + 1;
    }
    if (begin < chunk.length) add(chunk.subarray(begin));
  }
  if (length > 0) yield take();
}

const tooLong: Line = { text: "", fault: "too-long" };

function lineOf(bytes: Buffer): Line {
  const text = bytes.toString("utf8", 0, bytes.at(-1) === 0x0d ? bytes.length - 1 : bytes.length);
  // Only a text that holds the replacement character can have been damaged by decoding.
  return text.includes("\ufffd") && !isUtf8(bytes) ? { text, fault: "not-utf8" } : { text };
}

function isUtf8(bytes: Buffer): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
