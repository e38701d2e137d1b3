import type { Pipeline, SinkRef, Stream } from "headrace";
import { loginAnalytics } from "../../pipelines/login-analytics.ts";

/** The pipeline of the reference application with other sources or another sink; all else is the same. */
export function loginAnalyticsWith({
  sources,
  sink,
}: {
  readonly sources?: readonly Stream<unknown>[];
  readonly sink?: SinkRef<never>;
}): Pipeline {
  const { plan } = loginAnalytics;
  if (plan.end.kind !== "to") throw new Error("login-analytics does not end in one sink any more");
  const end = sink === undefined ? plan.end : { ...plan.end, sink: sink.plan };
  return { plan: { ...plan, end, sources: sources === undefined ? plan.sources : sources.map((stream) => stream.plan) } };
}
