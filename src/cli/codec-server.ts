import { serveCodec } from "../codec/serve.ts";
import { aborted } from "../core/aborted.ts";
import { ConfigError } from "../core/errors.ts";
import { hostInUrl } from "../core/host-in-url.ts";
import { isLoopback } from "../core/loopback.ts";
import { readEnvironment } from "./environment.ts";
import { onStop } from "./interrupt.ts";
import { portNumber } from "./numbers.ts";
import { printJson, say } from "./output.ts";
import { payloadCodec } from "./services.ts";

export interface CodecServerVerbOptions {
  readonly host: string;
  readonly port: string;
  readonly origin: readonly string[];
  readonly json: boolean;
}

/** `headrace codec-server`: decodes payloads for Temporal's UI and CLI, until SIGTERM or SIGINT. */
export async function codecServerVerb({ host, port, origin, json }: CodecServerVerbOptions): Promise<number> {
  const codec = payloadCodec();
  if (!codec) {
    throw new ConfigError("config.environment", "HEADRACE_PAYLOAD_KEYS is not set: there is nothing to decode with", {
      hint: "Set it, or HEADRACE_PAYLOAD_KEYS_FILE, as for the workers.",
    });
  }
  const wanted = portNumber("--port", port);
  const token = readEnvironment("HEADRACE_CODEC_TOKEN") || undefined;
  if (token === undefined && !isLoopback(host)) {
    throw new ConfigError("config.environment", `the codec server would decode for everyone who reaches ${host}`, {
      hint: "Set HEADRACE_CODEC_TOKEN, or leave --host at 127.0.0.1.",
    });
  }
  const { signal, exitCode } = onStop();
  const served = await serveCodec({ codec, host, port: wanted, origins: origin, token }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE" && error.code !== "EACCES") throw error;
    throw new ConfigError("stack.port", `port ${port} of ${host} cannot be taken: ${error.message}`, {
      cause: error,
      hint: "Choose another with --port.",
    });
  });
  const url = `http://${hostInUrl(host)}:${served.port}`;
  if (json) printJson({ ready: true, url, pid: process.pid });
  else say(`Decoding at ${url}. Ctrl-C stops.`);
  await aborted(signal);
  await served.close();
  return exitCode();
}
