/**
 * Who tried to come in, and from where, in a sentence of sshd: `<user> from <address> port <port> ssh2: <key>, …`.
 *
 * The client writes the user's name, a certificate's id, and the names that a host-based login claims: blanks, quotes, "from" and
 * "port" included. So a text may hold several places that look like sshd's own. What sshd writes behind its own place has a strict form,
 * by which it is told from the others; where two are left, a real account's name, which holds no blank, decides for the first.
 */
export interface Origin {
  readonly userId: string;
  /** An address, a host name, or sshd's own word UNKNOWN. */
  readonly ip: string;
  readonly port: string | undefined;
  /** sshd knows no such user, so that the name may be anything. */
  readonly isInvalid: boolean;
}

export type OriginFound =
  | ({ readonly kind: "origin" } & Origin)
  /** Several places may be sshd's: `choices` are told apart by what else is known of the connection. */
  | { readonly kind: "ambiguous"; readonly choices: readonly Origin[] }
  | { readonly kind: "none" };

/** Nearly all lines: a name without a blank, and nothing behind the place. */
const plain = /^((?:invalid|illegal) user )?(\S+) from (\S+) port (\d+)(?: ssh[12])?$/;
const invalidUser = /^(?:invalid|illegal) user /;
const place = / from (\S+) port (\d+)(?: ssh[12])?(?=$|:)/g;
const unported = /^(.*) from (\S+)(?: ssh[12])?$/s;
/** What sshd writes of a key: its type and fingerprint, the id and authority of a certificate, the names that a host gave. */
const key = "[\\w@.-]+ \\S+:\\S+";
const tails = [
  new RegExp(`^(?:: ${key})?$`),
  new RegExp(`^: ${key} ID .* \\(serial \\d+\\) CA ${key}$`, "s"),
  new RegExp(`^: ${key}, client user ".*", client host ".*"$`, "s"),
];
/** More places than this in one line are an attack on whoever reads it. */
const maxPlaces = 64;

/** Finds the origin in what follows `Failed password for `. */
export function findOrigin(text: string): OriginFound {
  const simple = plain.exec(text);
  if (simple !== null) {
    const [, prefix, userId = "", ip = "", port] = simple;
    return { kind: "origin", userId, ip, port, isInvalid: prefix !== undefined };
  }
  const all: Origin[] = [];
  const strict: Origin[] = [];
  for (const found of text.matchAll(place)) {
    if (all.length === maxPlaces) return { kind: "none" };
    const [whole, ip = "", port] = found;
    const origin = { ...named(text.slice(0, found.index)), ip, port };
    all.push(origin);
    const tail = text.slice(found.index + whole.length);
    if (tails.some((form) => form.test(tail))) strict.push(origin);
  }
  const choices = strict.length > 0 ? strict : all;
  const [first] = choices;
  if (first !== undefined) {
    const isSure = choices.length === 1 || (!first.isInvalid && !/\s/.test(first.userId));
    return isSure ? { kind: "origin", ...first } : { kind: "ambiguous", choices };
  }
  const old = unported.exec(text);
  if (old === null) return { kind: "none" };
  return { kind: "origin", ...named(old[1] ?? ""), ip: old[2] ?? "", port: undefined };
}

/** `invalid user bob` is bob, whom sshd does not know; `invalid user` alone is somebody of that name. */
function named(text: string): Pick<Origin, "userId" | "isInvalid"> {
  const prefix = invalidUser.exec(text)?.[0] ?? "";
  return { userId: text.slice(prefix.length), isInvalid: prefix !== "" };
}
