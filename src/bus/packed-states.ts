/** `json`: null removes the state. */
export interface StateChange {
  readonly name: string;
  readonly json: string | null;
}

/**
 * State changes on their way to the store, as one block of bytes: for each the length of its name, its name, the length of its JSON and
 * its JSON, lengths as 4 bytes, big endian. Where the state is removed there is no JSON. Thousands of texts that wait for their commit
 * would burden the garbage collector, and each argument of a command costs more than a state does.
 */
export interface PackedStates {
  readonly count: number;
  readonly bytes: Buffer;
}

export function packStates(changes: readonly StateChange[]): PackedStates {
  let size = 8 * changes.length;
  for (const { name, json } of changes) size += Buffer.byteLength(name) + (json === null ? 0 : Buffer.byteLength(json));
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { name, json } of changes) {
    at = write(name, at);
    at = write(json ?? "", at);
  }
  return { count: changes.length, bytes };

  function write(text: string, to: number): number {
    const length = bytes.write(text, to + 4);
    bytes.writeUInt32BE(length, to);
    return to + 4 + length;
  }
}

export function unpackStates({ count, bytes }: PackedStates): readonly StateChange[] {
  let at = 0;
  return Array.from({ length: count }, () => ({ name: read(), json: read() || null }));

  function read(): string {
    const from = at + 4;
    at = from + bytes.readUInt32BE(at);
    return bytes.toString("utf8", from, at);
  }
}
