import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect, createSecureServer, type ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority, makeClient, makeServer } from "./certificates.ts";

/** Temporal behind TLS that asks for a client's certificate, and for an API key. */
export interface TemporalTls {
  readonly address: string;
  /** What a client that may enter has in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The types of the gRPC calls that came through. */
  readonly calls: ReadonlySet<string>;
  close(): void;
}

const apiKey = "key-of-the-shop";
/** gRPC's status of a call without valid credentials. */
const unauthenticated = "16";

export async function openTemporalTls(temporal: string): Promise<TemporalTls> {
  const directory = mkdtempSync(join(tmpdir(), "headrace-tls-"));
  const authority = await makeAuthority();
  const server = await makeServer("localhost", authority);
  const client = await makeClient("shop", authority);
  const path = (file: string, text: string) => {
    writeFileSync(join(directory, file), text);
    return join(directory, file);
  };

  const calls = new Set<string>();
  const inside = connect(`http://${temporal}`);
  inside.on("error", () => {});
  const door = createSecureServer({
    key: server.key,
    cert: server.cert,
    ca: authority.cert,
    requestCert: true,
    rejectUnauthorized: true,
  });
  door.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers["authorization"] !== `Bearer ${apiKey}`) {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": unauthenticated, "grpc-message": "who are you?" },
        { endStream: true },
      );
      return;
    }
    calls.add(headers[":path"]?.split("/").at(-1) ?? "");
    passOn(stream, headers, inside);
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const sessions = new Set<{ destroy(): void }>();
  door.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  const address = `localhost:${(door.address() as { readonly port: number }).port}`;
  return {
    address,
    env: {
      TEMPORAL_ADDRESS: address,
      TEMPORAL_API_KEY: apiKey,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: path("authority.pem", authority.cert),
      TEMPORAL_TLS_CLIENT_CERT_PATH: path("client.pem", client.cert),
      TEMPORAL_TLS_CLIENT_KEY_PATH: path("client.key", client.key),
    },
    calls,
    close() {
      for (const session of sessions) session.destroy();
      inside.destroy();
      door.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One call, with its headers, data and trailers both ways. */
function passOn(stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>, inside: ClientHttp2Session): void {
  const { ":authority": _, ":scheme": __, ...rest } = headers;
  const call = inside.request(rest as never);
  call.on("error", () => stream.destroy());
  stream.on("close", () => call.close());
  call.on("response", (answer) => stream.respond(answer, { waitForTrailers: true }));
  let trailers = {};
  call.on("trailers", (found) => {
    trailers = found;
  });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.pipe(call);
  call.pipe(stream);
}
