import { createSecureContext } from "node:tls";
import { ConfigError, messageOf } from "./errors.ts";
import { systemCode } from "./system-code.ts";

/** What a connection over TLS is made with, as PEM. */
export interface Tls {
  /** The certificates of the authorities that are trusted. @default those of Node */
  readonly ca?: string;
  /** The client's certificate, where the server asks for one; with `key`. */
  readonly cert?: string;
  /** The key of the client's certificate. */
  readonly key?: string;
}

/**
 * Refuses what no connection can be made with.
 *
 * @throws ConfigError `config.environment`; nothing of a key is in it
 */
export function checkTls(tls: Tls, prefix: string): void {
  const refuse = (what: string, hint: string) => new ConfigError("config.environment", what, { hint });
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw refuse(
      `of ${prefix}_TLS_CERT_FILE and ${prefix}_TLS_KEY_FILE only one is set`,
      "Name both, or neither: a certificate is of use with its key alone.",
    );
  }
  try {
    createSecureContext(tls);
  } catch (error) {
    throw refuse(
      `what ${prefix}_TLS_CA_FILE, ${prefix}_TLS_CERT_FILE and ${prefix}_TLS_KEY_FILE name cannot be used: ${messageOf(error)}`,
      "Each names a file in PEM form, and the key is that of the certificate.",
    );
  }
}

/** The way out of a failed handshake; `undefined` for any other failure. */
export function tlsHint(error: unknown, prefix: string): string | undefined {
  const code = systemCode(error) ?? "";
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return "Renew the certificate of the server, or correct the clock of this machine.";
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const ofCluster =
      prefix === "REDIS" ? "; the nodes of a cluster have to announce such names (cluster-announce-hostname)" : "";
    return `Use a name in ${prefix}_URL that the certificate of the server holds${ofCluster}.`;
  }
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_(UNTRUSTED|SIGNATURE_FAILURE)/.test(code)) {
    return `Name the authority that has signed the certificate of the server in ${prefix}_TLS_CA_FILE.`;
  }
  if (/ALERT|HANDSHAKE_FAILURE/.test(code)) {
    return `The server may ask for a certificate: name one that it trusts in ${prefix}_TLS_CERT_FILE and ${prefix}_TLS_KEY_FILE.`;
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/.test(code)) {
    return `The server does not speak TLS at this port: correct the port or the scheme of ${prefix}_URL.`;
  }
  return undefined;
}
