import { createServer } from "node:net";
import { hostname } from "node:os";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { portOf } from "../../core/port-of.ts";

/** Where the numbers of Temporal's SDK can be scraped; undefined where nobody asked for them. */
export interface MetricsAddress {
  /** host:port, as the native core binds it. */
  readonly bind: string;
  readonly url: string;
}

/** From METRICS_BIND (host:port), else HEADRACE_METRICS_PORT on HOST; port 0 takes a free one. */
export async function metricsAddress(env: NodeJS.ProcessEnv): Promise<MetricsAddress | undefined> {
  const { METRICS_BIND: bind, HEADRACE_METRICS_PORT: onlyPort, HOST: onlyHost } = env;
  const text = bind || (onlyPort ? `${onlyHost || "127.0.0.1"}:${onlyPort}` : undefined);
  if (text === undefined) return undefined;
  const [, host, digits] = /^(\[[0-9a-f:]+\]|[^:]+):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || Number(digits) > 65_535) {
    throw new ConfigError("config.environment", `'${text}' is no address for metrics`, {
      hint: "METRICS_BIND looks like 0.0.0.0:9464, HEADRACE_METRICS_PORT like 9464; 0 takes a free port.",
    });
  }
  // The native core does not tell which port it took, and panics where it gets none.
  const port = await portOn(host.replace(/[[\]]/g, ""), Number(digits));
  const reached = host === "0.0.0.0" || host === "[::]" ? hostname() : host;
  return { bind: `${host === "localhost" ? "127.0.0.1" : host}:${port}`, url: `http://${reached}:${port}/metrics` };
}

/** The port, if it can be taken; a free one for 0. */
const portOn = (host: string, wanted: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) =>
      reject(
        new ConfigError("stack.port", `metrics cannot be served on ${host}:${wanted}: ${messageOf(error)}`, {
          cause: error,
          hint: "Give another port by HEADRACE_METRICS_PORT, or 0 for a free one.",
        }),
      ),
    );
    server.listen({ host, port: wanted }, () => {
      const port = portOf(server);
      server.close(() => resolve(port));
    });
  });
