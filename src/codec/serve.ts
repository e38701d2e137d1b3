import fastify from "fastify";
import { messageOf } from "../core/errors.ts";
import { isRecord } from "../core/is-record.ts";
import { portOf } from "../core/port-of.ts";
import { isSameSecret } from "../core/same-secret.ts";
import type { Codec, Payload } from "./payload-codec.ts";

export interface CodecServerOptions {
  readonly codec: Codec;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Of the pages that may call, such as https://temporal.example.com. */
  readonly origins: readonly string[];
  /** What callers send as `authorization: Bearer <token>`. */
  readonly token?: string | undefined;
}

/** Payloads as protobuf's JSON writes them: bytes as base64. */
interface JsonPayload {
  readonly metadata?: Readonly<Record<string, string>> | null;
  readonly data?: string | null;
}

const maxBodyBytes = 16 * 1024 * 1024;

/** Temporal's remote codec protocol: the UI and the CLI have payloads decoded here, so that Temporal itself never sees a key. */
export async function serveCodec({ codec, host, port, origins, token }: CodecServerOptions) {
  const server = fastify({ bodyLimit: maxBodyBytes, forceCloseConnections: true });

  server.addHook("onRequest", async (request, reply) => {
    const { origin } = request.headers;
    if (origin !== undefined && origins.includes(origin)) {
      reply.header("access-control-allow-origin", origin).header("vary", "origin");
      reply.header("access-control-allow-credentials", "true");
      reply.header("access-control-allow-methods", "POST");
      reply.header("access-control-allow-headers", "content-type,x-namespace,authorization");
    }
    // A browser asks first, without the token.
    if (request.method === "OPTIONS") return reply.code(204).send();
    if (token !== undefined && !isSameSecret(request.headers.authorization ?? "", `Bearer ${token}`)) {
      return reply.code(401).send({ message: "the token is missing or wrong" });
    }
    // Another page must not read payloads through the browser of someone who may.
    if (origin !== undefined && !origins.includes(origin)) {
      return reply.code(403).send({ message: `pages of ${origin} may not call: name it with --origin` });
    }
  });
  server.options("/*", async () => undefined);
  for (const verb of ["encode", "decode"] as const) {
    server.post(`/${verb}`, async (request, reply) => {
      const payloads = readPayloads(request.body);
      if (!payloads) return reply.code(400).send({ message: "the body is no {payloads: [{metadata, data}]}" });
      try {
        return { payloads: (await codec[verb](payloads)).map(toJson) };
      } catch (error) {
        return reply.code(422).send({ message: messageOf(error) });
      }
    });
  }
  await server.listen({ host, port });
  return { port: portOf(server.server), close: () => server.close() };
}

function readPayloads(body: unknown): readonly Payload[] | undefined {
  const payloads = isRecord(body) ? body["payloads"] : undefined;
  if (!Array.isArray(payloads) || !payloads.every(isPayload)) return undefined;
  return payloads.map(({ metadata, data }) => ({
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64")])),
    data: Buffer.from(data ?? "", "base64"),
  }));
}

function isPayload(value: unknown): value is JsonPayload {
  if (typeof value !== "object" || value === null) return false;
  const { metadata, data } = value as JsonPayload;
  return (
    (data == null || typeof data === "string") &&
    (metadata == null || (typeof metadata === "object" && Object.values(metadata).every((one) => typeof one === "string")))
  );
}

const toJson = ({ metadata, data }: Payload): JsonPayload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
  ),
  data: Buffer.from(data ?? new Uint8Array()).toString("base64"),
});
