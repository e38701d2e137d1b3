import { ConfigError } from "./errors.ts";

/** What the address of a service looks like. */
export interface AddressForm {
  /** As people call it. */
  readonly service: string;
  /** `redis`, `rediss` */
  readonly schemes: readonly string[];
  /** What the path may be. */
  readonly path: RegExp;
  /** Whether a user and a password may stand in it. @default true */
  readonly hasUser?: boolean;
  /** Says where the address is set, and what it looks like. */
  readonly hint: string;
}

const encode =
  "In a user name and a password write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23 and % as %25: 'encodeURIComponent' does.";

/**
 * Reads the address of a service. Its errors hold nothing of what was given: in an address that cannot be read the password may
 * stand anywhere.
 *
 * @throws ConfigError `config.environment`
 */
export function readAddress(text: string, { service, schemes, path, hasUser = true, hint }: AddressForm): URL {
  const refuse = (why: string, way = hint) =>
    new ConfigError("config.environment", `the address of ${service} cannot be read: ${why}`, { hint: way });
  const given = text.trim();
  const scheme = schemes.find((one) => given.toLowerCase().startsWith(`${one}://`));
  if (scheme === undefined) throw refuse(`it begins with none of ${schemes.map((one) => `${one}://`).join(", ")}`);
  const rest = given.slice(scheme.length + "://".length);
  // An @ that is not the end of the password: where the password ends, and so what is the host, nobody can tell.
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? "";
  if (rest.lastIndexOf("@") !== authority.indexOf("@")) {
    throw refuse("its user name or password holds a character that must be percent-encoded", `${hint} ${encode}`);
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || url.hostname === "") throw refuse("it names no host and port", `${hint} ${encode}`);
  for (const part of [url.username, url.password]) {
    if (decoded(part) === undefined) throw refuse("a % of its user name or password encodes nothing", `${hint} ${encode}`);
  }
  if (!hasUser && (url.username || url.password)) throw refuse("it holds a user or a password, which are given elsewhere");
  if (!path.test(url.pathname)) throw refuse("what stands behind host and port is nothing that it may hold");
  return url;
}

/** A user name or a password of an address, as it is meant; `undefined` where it is wrongly encoded. */
export function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** What may be printed of an address: its host and port. */
export function placeOf({ hostname, port }: Pick<URL, "hostname" | "port">, usualPort: number): string {
  return `${hostname}:${port || usualPort}`;
}
