const slotCount = 16_384;

/** The slot of a key in a cluster: a checksum (CRC-16/XMODEM) of what stands in its first braces, or of the whole key. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = key.indexOf("}", open + 1);
  const hashed = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % slotCount;
}

/** Which server (`host:port`) owns each slot; nothing where nobody does. */
export type Owners = (string | undefined)[];

type ServerReply = readonly [host: Buffer | null, port: number, ...more: unknown[]];
/** What CLUSTER SLOTS answers. */
export type SlotsReply = readonly (readonly [first: number, last: number, master: ServerReply, ...replicas: ServerReply[]])[];

/** The answer to CLUSTER SLOTS. A server that does not know its own name leaves it out: then it is the one that was asked. */
export function ownersIn(reply: SlotsReply, asked: string): Owners {
  const owners: Owners = new Array(slotCount).fill(undefined);
  for (const [first, last, master] of reply) owners.fill(addressIn(master, asked), first, last + 1);
  return owners;
}

/** Every server that the answer names, replicas too. */
export const membersIn = (reply: SlotsReply, asked: string): readonly string[] => [
  ...new Set(reply.flatMap(([, , ...servers]) => servers.map((server) => addressIn(server, asked)))),
];

const addressIn = ([host, port]: ServerReply, asked: string): string => `${String(host ?? "") || hostOf(asked)}:${port}`;

export interface Redirect {
  /** `moved`: for good. `ask`: for this one command, as long as the slot is on its way. */
  readonly kind: "moved" | "ask";
  readonly address: string;
}

/** Where a server sends us: `MOVED 3999 10.0.0.2:6379`. */
export function redirectIn(error: unknown, asked: string): Redirect | undefined {
  const found = error instanceof Error && /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(error.message);
  if (!found) return undefined;
  const [, word, host, port] = found;
  return { kind: word === "ASK" ? "ask" : "moved", address: `${host || hostOf(asked)}:${port}` };
}

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));
