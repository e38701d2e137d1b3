import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { systemClock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { readVersion } from "../core/package-version.ts";
import { loadMeter } from "../registry/load.ts";
import type { Registry, RegistryEntry } from "../registry/port.ts";
import { enterRegistry } from "../registry/presence.ts";

/** A name that no other process has, now or later. */
export const newInstance = (): string => `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;

export interface Announcement {
  readonly instance: string;
  readonly roles: readonly string[];
  /** Where it can be called: name to URL. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly registry: Registry;
  readonly logger: Logger;
  /** How long the entry lives without a beat, milliseconds. */
  readonly leaseMs: number;
}

/** Two beats may be lost. */
const beatsOfLease = 3.3;

/** Enters this process into the registry. */
export const announce = ({ instance, roles, addresses, registry, logger, leaseMs }: Announcement): Promise<RegistryEntry> =>
  enterRegistry(
    {
      instance,
      roles,
      host: hostname(),
      pid: process.pid,
      version: readVersion(),
      since: new Date(Date.now() - performance.now()).toISOString(),
      addresses,
      pipelines: {},
      state: "running",
    },
    { registry, clock: systemClock, logger, load: loadMeter() },
    { ttlMs: leaseMs, beatMs: Math.round(leaseMs / beatsOfLease) },
  );
