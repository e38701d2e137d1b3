import { ConfigError } from "../core/errors.ts";
import type { Location } from "../plan/archive.ts";
import { folderOf } from "./export.ts";
import { inOrder, manifestPath, parseManifest, printManifest } from "./manifest.ts";
import type { ArchiveStore } from "./port.ts";

/** Small texts in the store, past any client of S3: ClickHouse reads and writes them. An empty one counts as none. */
export interface ArchiveTexts {
  write(location: Location, text: string): Promise<void>;
  read(pattern: Location): Promise<readonly { readonly path: string; readonly text: string }[]>;
  paths(pattern: Location): Promise<readonly string[]>;
}

/** A bucket of a server that speaks S3. ClickHouse reads and writes it, so it must reach the endpoint. */
export interface S3Options {
  /** `s3://bucket/prefix` */
  readonly address: string;
  /** `https://s3.eu-central-1.amazonaws.com`, or that of another server that speaks S3. @default that of AWS in the `region` */
  readonly endpoint: string | undefined;
  /** @default `us-east-1`; counts where no endpoint is given */
  readonly region: string | undefined;
  /** An access key and its secret. @default those of the ClickHouse server */
  readonly keys: readonly [id: string, secret: string] | undefined;
}

/**
 * A bucket. ClickHouse can write and read objects and not delete them, so what is withdrawn is overwritten with nothing: an empty object
 * counts as none, and a lifecycle rule of the bucket may remove it.
 */
export function createS3Store({ address, endpoint, region, keys }: S3Options, texts: ArchiveTexts): ArchiveStore {
  const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]*)(?:\/([\w./-]*))?$/.exec(address) ?? [];
  if (bucket === undefined)
    throw new ConfigError("config.environment", "HEADRACE_ARCHIVE names no bucket", {
      hint: "Write s3://bucket/prefix, or a path; keys are given by HEADRACE_ARCHIVE_ACCESS_KEY_ID and HEADRACE_ARCHIVE_SECRET_ACCESS_KEY.",
    });
  const folder = prefix.replace(/\/+$/, "");
  const root = [
    endpoint === undefined
      ? `https://${bucket}.s3.${region ?? "us-east-1"}.amazonaws.com`
      : `${endpoint.replace(/\/+$/, "")}/${bucket}`,
    ...(folder === "" ? [] : [folder]),
  ].join("/");
  const locate = (path: string): Location => ({ kind: "s3", url: `${root}/${path}`, keys });
  // Found paths begin with the bucket; those of the store begin behind the prefix.
  const pathOf = (found: string) =>
    found.slice(found.indexOf(`${bucket}/`) + bucket.length + 1).slice(folder === "" ? 0 : folder.length + 1);
  return {
    name: address,
    locate,
    // An object that was written is stored.
    settle: async () => {},
    publish: (manifest) => texts.write(locate(manifestPath(manifest)), printManifest(manifest)),
    withdraw: async (of) => {
      // A pattern, since what a pattern does not find is no error.
      const there = await texts.read(locate(`${folderOf(of)}/manifest.json*`));
      if (there.length > 0) await texts.write(locate(manifestPath(of)), "");
    },
    async manifests({ table, day = "*" }) {
      const found = await texts.read(locate(`${table}/${day}/*/manifest.json`));
      return inOrder(found.map(({ path, text }) => parseManifest(text, path)));
    },
    files: async (of) => (await texts.paths(locate(`${folderOf(of)}/*.parquet`))).map(pathOf),
    remove: async (paths) => {
      for (const path of paths) await texts.write(locate(path), "");
    },
  };
}
