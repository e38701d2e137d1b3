import { readFileSync } from "node:fs";

/** The version of this package: its package.json lies at the same distance from src/ and from dist/. */
export const readVersion = (): string =>
  (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;
