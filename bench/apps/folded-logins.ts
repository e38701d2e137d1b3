import { type App, clickhouse, defineApp, pipeline } from "headrace";
import { loginAnalytics } from "../../pipelines/login-analytics.ts";
import { logins } from "../../pipelines/streams.ts";
import { loginEvents } from "../../pipelines/tables.ts";

type Logins = typeof logins extends { readonly _events?: infer E } ? NonNullable<E> : never;

/** The pipeline of the reference application with a fold in front of its rows: each event moves the state of its key. */
export function foldedLogins<State>(
  name: string,
  fold: {
    readonly key: (event: Logins) => string;
    readonly initial: State;
    readonly evolve: (state: State, event: Logins) => State;
  },
): App {
  const { end } = loginAnalytics.plan;
  if (end.kind !== "to") throw new Error("login-analytics does not end in one sink any more");
  const folded = pipeline("login-analytics")
    .from(logins)
    .fold(name, { ...fold, decide: (_: State, event: Logins) => [event] });
  return defineApp({ pipelines: [folded.to(clickhouse(loginEvents), end.toRow as never)] });
}
