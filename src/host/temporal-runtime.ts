import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";

/**
 * Temporal's native core: one a process. Signals are left to the process. Where another part of the process has it already, it stays as it is.
 *
 * @param metricsBind where it serves its numbers, host:port; undefined where it does not
 */
export async function installRuntime(logger: Logger, metricsBind: string | undefined): Promise<void> {
  const { DefaultLogger, Runtime } = await import("@temporalio/worker");
  const log = (level: string, message: string, meta: Readonly<Record<string, unknown>> = {}) => {
    // As JSON an error would be without its message, which is all that tells what to do.
    const { error } = meta;
    const told = error instanceof Error ? { ...meta, error: messageOf(error), hint: (error as { hint?: string }).hint } : meta;
    if (level === "ERROR") logger.error(told, message);
    else logger.warn(told, message);
  };
  try {
    Runtime.install({
      logger: new DefaultLogger("WARN", ({ level, message, meta }) => log(level, message, meta)),
      shutdownSignals: [],
      ...(metricsBind !== undefined && { telemetryOptions: { metrics: { prometheus: { bindAddress: metricsBind } } } }),
    });
  } catch (error) {
    if (!(error instanceof Error && error.name === "IllegalStateError")) throw error;
    if (metricsBind !== undefined) logger.warn({ bind: metricsBind }, "Temporal's core runs already: its metrics are not served");
  }
}
