import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../core/errors.ts";
import type { KeptState } from "../dsl/state.ts";
import { activityStore } from "../host/activity-store.ts";
import { statesOf } from "../host/states-of.ts";
import { findModule, loadApp, loadModule, loadSagas } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printTable, say } from "./output.ts";
import { openRedis, openTemporal, type ServiceLocation } from "./services.ts";

type Books = Readonly<Record<string, number>>;

interface Bookkeeping {
  readonly readBooks: (deps: object) => Promise<Books>;
  readonly checkBooks: (books: Books, openSagas: number) => readonly string[];
}

/** `headrace reconcile`: what the participants have in their own stores, and whether it agrees. */
export async function reconcileVerb({ json, ...where }: ServiceLocation & { readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const { readBooks, checkBooks } = await loadBookkeeping(where.cwd);
  const redis = await openRedis(where, createLogger(), "headrace-reconcile");
  const temporal = await openTemporal(where);
  try {
    const countOf = async (query: string) =>
      (await temporal.client.workflow.count(`ExecutionStatus = "Running" AND ${query}`)).count;
    const types = (await loadSagas(where.cwd)).map(({ name }) => `"${name}"`).join(", ");
    const openSagas = () => countOf(`WorkflowType IN (${types})`);
    const look = async () => {
      // Before and after: a saga that begins or ends meanwhile has something in its hands.
      const before = await openSagas();
      const books = await readBooks({
        redis: activityStore(redis),
        statesOf: (state: KeptState<unknown>) => statesOf(app.pipelines, state.plan, redis),
      });
      const open = Math.max(before, await openSagas());
      return { books, open, faults: checkBooks(books, open) };
    };
    let { books, open, faults } = await look();
    // The index of workflows is a moment behind what they do.
    for (let again = 0; faults.length > 0 && again < 2; again++) {
      await sleep(1_000);
      ({ books, open, faults } = await look());
    }
    const needsAttention = await countOf("NeedsAttention = true");
    const report = { ...books, openSagas: open, needsAttention, balanced: faults.length === 0 };
    if (json) printJson(report);
    else printTable(Object.entries(report).map(([what, n]) => ({ book: what, n: String(n) })));
    for (const fault of faults) say(fault);
    return faults.length === 0 ? exitCodes.fine : exitCodes.findings;
  } finally {
    await redis.close();
    await temporal.connection.close();
  }
}

/** What the application counts, and what must agree. */
async function loadBookkeeping(directory: string): Promise<Bookkeeping> {
  const path = findModule(directory, "activities/index");
  const { readBooks, checkBooks } = path ? await loadModule(path) : {};
  if (typeof readBooks === "function" && typeof checkBooks === "function") return { readBooks, checkBooks } as Bookkeeping;
  const missing = Object.entries({ readBooks, checkBooks }).filter(([, value]) => typeof value !== "function");
  const names = missing.map(([name]) => name).join(" and ");
  throw new ConfigError(
    "app.load",
    `this project keeps no books that could be reconciled: ${path ?? `activities/index.ts in ${directory}`} exports no ${names}`,
    {
      hint: "readBooks(deps) counts what the participants have, checkBooks(books, openSagas) says what must agree: docs/sagas.md shows both.",
    },
  );
}
