import { type AddressInfo, connect as connectPlain, type Socket } from "node:net";
import { createServer } from "node:tls";
import type { Certificate } from "./certificates.ts";

export interface TlsDoor {
  readonly port: number;
  /** How many connections came through. */
  entered(): number;
  close(): void;
}

/** A port that speaks TLS, asks for a client's certificate, and passes on what comes through to a server that does neither. */
export async function openTlsDoor(target: URL, server: Certificate, authority: Certificate): Promise<TlsDoor> {
  const sockets = new Set<Socket>();
  let entered = 0;
  const door = createServer({ ...server, ca: authority.cert, requestCert: true, rejectUnauthorized: true }, (outside) => {
    entered++;
    const inside = connectPlain(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  // Who is refused is told by TLS itself.
  door.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  return {
    port: (door.address() as AddressInfo).port,
    entered: () => entered,
    close() {
      for (const socket of sockets) socket.destroy();
      door.close();
    },
  };
}
