import { networkInterfaces } from "node:os";
import { isLoopback } from "./loopback.ts";

/**
 * Whether a call to this server is meant for it, by its `Host` header: a page of another site reaches what listens on this machine under a
 * name of its own, which it points at us. Ours are `localhost`, the addresses of this machine, and `hosts`.
 */
export function isOwnHost(header: string, hosts: readonly string[]): boolean {
  const name = nameIn(header);
  if (name === undefined) return false;
  if (isLoopback(name)) return true;
  if (hosts.some((host) => nameIn(host.trim()) === name)) return true;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  return own.some((address) => nameIn(address.includes(":") ? `[${address.split("%")[0]}]` : address) === name);
}

/** The name in a Host header, without its port. */
function nameIn(host: string): string | undefined {
  const url = /^[^\s/?#@\\]+$/.test(host) && URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  return url?.hostname.replace(/\.$/, "");
}
