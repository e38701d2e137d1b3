import type { Facts, Load } from "../../src/registry/port.ts";

/** What a process says of itself, where a test does not say otherwise. */
export const process = (instance: string, change: Partial<Facts & Load> = {}): Facts & Load => ({
  instance,
  roles: ["worker"],
  host: "here",
  pid: 1,
  version: "0.0.0",
  since: "2026-01-01T00:00:00.000Z",
  addresses: {},
  pipelines: {},
  state: "running",
  cpu: 0,
  rssBytes: 0,
  ...change,
});
