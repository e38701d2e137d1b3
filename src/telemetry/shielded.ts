import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Telemetry } from "./port.ts";

/** The same telemetry, of which nothing that it throws comes back: that is logged, once for each member. */
export function shielded(telemetry: Telemetry, logger: Logger): Telemetry {
  const told = new Set<string>();
  const failed = (member: string) => (error: unknown) => {
    if (told.has(member)) return;
    told.add(member);
    logger.error(
      { member, error: messageOf(error) },
      "telemetry has failed: the worker goes on; further failures of it are not told",
    );
  };
  const shield = <Report>(member: string, hear: ((report: Report) => unknown) | undefined) => {
    if (!hear) return undefined;
    const tell = failed(member);
    return (report: Report): void => {
      try {
        const heard = hear.call(telemetry, report);
        // A rejection that nobody awaits would end the process.
        if (heard instanceof Promise) heard.catch(tell);
      } catch (error) {
        tell(error);
      }
    };
  };
  return {
    read: shield("read", telemetry.read),
    processed: shield("processed", telemetry.processed),
    confirmed: shield("confirmed", telemetry.confirmed),
    committed: shield("committed", telemetry.committed),
    lease: shield("lease", telemetry.lease),
    guard: shield("guard", telemetry.guard),
    retry: shield("retry", telemetry.retry),
    deadLetter: shield("deadLetter", telemetry.deadLetter),
    traced: shield("traced", telemetry.traced),
  };
}
