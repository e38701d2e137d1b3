import { messageOf } from "../../core/errors.ts";
import { type AppPlan, type PipelinePlan, withReaders } from "../../plan/plan.ts";
import { remembersMs, startedOnce } from "../../sinks/temporal/memory.ts";
import { roughly } from "../doctor/finding.ts";
import { say } from "../output.ts";
import { openTemporal, type ServiceLocation } from "../services.ts";

export interface ReplayedEvents {
  readonly app: AppPlan;
  readonly pipeline: PipelinePlan;
  /** When the oldest event was stored that is read again, milliseconds since the epoch; `undefined` where there is none. */
  readonly oldestMs: number | undefined;
}

/**
 * Says which workflows would be started a second time: those whose ids Temporal may have forgotten, since it keeps runs that have ended
 * for a while only. Resolves with the moment from which on it knows all of them, ISO 8601, where older events are read again.
 */
export async function tellForgotten(
  where: ServiceLocation,
  { app, pipeline, oldestMs }: ReplayedEvents,
): Promise<string | undefined> {
  const started = startedOnce(withReaders(app, pipeline)).join(", ");
  if (started === "" || oldestMs === undefined) return undefined;
  try {
    const { connection, client } = await openTemporal(where);
    try {
      const ms = await remembersMs(client);
      const since = Date.now() - (ms ?? Number.POSITIVE_INFINITY);
      if (ms === undefined || oldestMs >= since) return undefined;
      const known = new Date(since).toISOString();
      say(
        `Warning: Temporal keeps a run that has ended for ${roughly(ms)} (namespace '${client.options.namespace}'). Of what was stored before ${known}, it may have forgotten the ids, and then starts ${started} again.`,
      );
      say("         Leave out what is older, or give the start a 'notAfter'.");
      return known;
    } finally {
      await connection.close();
    }
  } catch (error) {
    say(`Warning: Temporal does not tell how long it keeps the ids of runs that have ended: ${messageOf(error)}`);
    say(`         Where it has forgotten one, ${started} is started again.`);
    return undefined;
  }
}
