import { ConfigError } from "../core/errors.ts";
import type { AppPlan } from "../plan/plan.ts";
import type { StreamPlan } from "../plan/stream.ts";
import type { Stream } from "./stream.ts";

/** The stream of an application that an activity names. @throws ConfigError where the application uses none of that name */
export function usedStream({ streams }: Pick<AppPlan, "streams">, given: Stream<unknown>): StreamPlan {
  const found = streams.find(({ name }) => name === given.plan?.name);
  if (found) return found;
  throw new ConfigError("config.invalid", `the application uses no stream '${given.plan?.name ?? given}'`, {
    hint: given.plan
      ? "List it under 'streams' of defineApp, or read it by a pipeline."
      : "Give the stream itself, as pipelines/streams.ts declares it: announce(orders, { id, ...orderPlaced(data) }).",
  });
}
