import { type CertificateExtension, generate } from "selfsigned";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  readonly extensions: readonly CertificateExtension[];
  /** Who signs it. @default itself */
  readonly authority?: Certificate;
  /** Until when it holds. @default a year from now */
  readonly until?: Date;
}

export const makeAuthority = (name = "Headrace test authority"): Promise<Certificate> =>
  makeCertificate(name, { extensions: [{ name: "basicConstraints", cA: true, critical: true }] });

/** That of a server, for one host name. */
export const makeServer = (host: string, authority: Certificate, until?: Date): Promise<Certificate> =>
  makeCertificate(host, {
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "subjectAltName", altNames: [{ type: 2, value: host }] },
    ],
    authority,
    ...(until && { until }),
  });

export const makeClient = (name: string, authority: Certificate): Promise<Certificate> =>
  makeCertificate(name, { extensions: [{ name: "basicConstraints", cA: false }], authority });

async function makeCertificate(commonName: string, { extensions, authority, until }: CertificateOptions): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: "commonName", value: commonName }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [...extensions],
    ...(authority && { ca: authority }),
    ...(until && { notBeforeDate: new Date(until.getTime() - 86_400_000), notAfterDate: until }),
  });
  return { key, cert };
}
