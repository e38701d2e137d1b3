import type { IncomingMessage } from "node:http";
import { isLoopback } from "../../core/loopback.ts";
import { isSameSecret } from "../../core/same-secret.ts";
import { ClickHouseFault } from "./fault.ts";

/** The user of the embedded engine, as of a server that is new. */
export const userName = "default";

/**
 * Refuses what comes through a browser from another page than one of ours, and what was addressed to another host's name: the page of
 * a site can send requests to loopback, and point its own name at it. Throws ClickHouseFault ACCESS_DENIED.
 */
export function refuseOtherSites({ headers }: IncomingMessage): void {
  const { host = "localhost", origin } = headers;
  const site = headers["sec-fetch-site"];
  const isOurs =
    isLoopbackName(host) &&
    (origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`) &&
    (site === undefined || site === "none" || site === "same-origin");
  if (isOurs) return;
  throw new ClickHouseFault(
    497,
    "ACCESS_DENIED",
    "the embedded ClickHouse answers programs on this machine, and no page of a browser",
  );
}

/** Refuses who does not say user and password, in one of the three ways that the server knows. `undefined` lets everyone in. */
export function refuseStrangers(request: IncomingMessage, password: string | undefined): void {
  if (password === undefined) return;
  const given = credentialsOf(request);
  if (given === undefined) {
    throw new ClickHouseFault(
      194,
      "REQUIRED_PASSWORD",
      "the embedded ClickHouse wants a password: use the address that 'headrace up' prints, which holds it",
    );
  }
  // Both are compared, whatever comes of the first.
  const [isUser, isPassword] = [isSameSecret(given.user, userName), isSameSecret(given.password, password)];
  if (isUser && isPassword) return;
  throw new ClickHouseFault(
    516,
    "AUTHENTICATION_FAILED",
    "user or password is wrong: use the address that 'headrace up' prints, which holds them",
  );
}

interface Credentials {
  readonly user: string;
  readonly password: string;
}

function credentialsOf({ headers, url }: IncomingMessage): Credentials | undefined {
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === "string" ? value : undefined;
  };
  const [user, key] = [header("x-clickhouse-user"), header("x-clickhouse-key")];
  if (user !== undefined || key !== undefined) return { user: user || userName, password: key ?? "" };
  const basic = /^Basic +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  if (basic !== undefined) {
    const [, name = "", password = ""] = /^([^:]*):?(.*)$/s.exec(Buffer.from(basic, "base64").toString("utf8")) ?? [];
    return { user: name || userName, password };
  }
  const parameters = new URLSearchParams((url ?? "").split("?").slice(1).join("?"));
  if (!parameters.has("user") && !parameters.has("password")) return undefined;
  return { user: parameters.get("user") || userName, password: parameters.get("password") ?? "" };
}

function isLoopbackName(host: string): boolean {
  try {
    return isLoopback(new URL(`http://${host}`).hostname);
  } catch {
    return false;
  }
}
