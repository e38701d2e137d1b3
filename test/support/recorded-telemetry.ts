import type { Telemetry } from "../../src/telemetry/port.ts";

type Told = { readonly [Member in keyof Telemetry]-?: Parameters<NonNullable<Telemetry[Member]>>[0][] };

/** A telemetry that keeps what it is told, by its members. */
export function recordedTelemetry() {
  const told: Told = {
    ...{ read: [], processed: [], confirmed: [], committed: [], lease: [], guard: [], retry: [], deadLetter: [], traced: [] },
  };
  const telemetry: Telemetry = {
    read: (report) => void told.read.push(report),
    processed: (report) => void told.processed.push(report),
    confirmed: (report) => void told.confirmed.push(report),
    committed: (report) => void told.committed.push(report),
    lease: (report) => void told.lease.push(report),
    guard: (report) => void told.guard.push(report),
    retry: (report) => void told.retry.push(report),
    deadLetter: (report) => void told.deadLetter.push(report),
    traced: (report) => void told.traced.push(report),
  };
  return { telemetry, told };
}

/** The sum of a number over reports. */
export const sumOf = <Report>(reports: readonly Report[], of: (report: Report) => number): number =>
  reports.reduce((sum, report) => sum + of(report), 0);
