import { archiveDay } from "headrace/archive/workflows";
import { sagaQuery } from "headrace/saga";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Activities } from "../../activities/index.ts";
import { restoreDay } from "../../src/archive/restore.ts";
import { type Content, openShelf, type Shelf, table } from "../support/archive-shelf.ts";
import { isLong } from "../support/long-form.ts";
import { bundleApplication, openMemoryBench, openSagaBench, openSkippingBench, type SagaBench } from "../support/saga-bench.ts";
import { unique } from "../support/services.ts";
import { expectedOf, stepOfKey, troubled, troubles } from "./sagas/trouble.ts";

let shelf: Shelf;
let bench: SagaBench;
let code: string;
beforeAll(async () => {
  code = await bundleApplication();
  [shelf, bench] = await Promise.all([openShelf(), openSagaBench(code)]);
}, 120_000);
afterAll(async () => {
  await bench.close();
  await shelf.close();
}, 60_000);

/** Where a step that is tried again waits for nothing: in memory, which passes the same suite; in the long form on Temporal's test server. */
const openQuickBench = async (): Promise<SagaBench> => (isLong ? openSkippingBench(code) : openMemoryBench({ archiveDay }));

const { steps } = archiveDay.saga;
const pivot = steps.findIndex(({ kind }) => kind === "pivot");
const rows = isLong ? 1_000 : 200;
/** Of workers that run many: in the short form that every task stands a replay is looked at with those that are cancelled. */
const caching = { maxCachedWorkflows: isLong ? 0 : 100 };
interface Troubled {
  readonly name: string;
  readonly before: Content;
}
const troubledDays = new Map<string, Troubled>();

/** The same activities: when one has ended, the day is looked at. */
const lookingBetween = (activities: Activities, { look }: ReturnType<Shelf["openReader"]>): Activities =>
  Object.fromEntries(
    Object.entries(activities).map(([name, run]) => [
      name,
      async (...args: unknown[]) => {
        try {
          return await (run as (...given: unknown[]) => Promise<unknown>)(...args);
        } finally {
          await look();
        }
      },
    ]),
  ) as Activities;

// Each has a day of its own: those of a step run side by side.
describe.each(steps.map(({ name }) => name))("an archive whose step '%s'", (step) => {
  it.concurrent.for(troubles.filter((one) => one !== "worker killed"))(
    "is %s leaves the day whole",
    { timeout: 120_000 },
    async (trouble, { expect }) => {
      const isCancelled = trouble === "cancelled";
      const on = isCancelled ? bench : await openQuickBench();
      const day = shelf.freshDay();
      await shelf.fill(day, rows);
      const before = await shelf.inTable(day);
      const reader = shelf.openReader(day, before);
      const workflowId = unique(`archive/${table}/${day}/`);
      const { activities, struck } = troubled(lookingBetween(shelf.activities(), reader), archiveDay.saga, {
        step,
        trouble,
        cancel: () => on.client.workflow.getHandle(workflowId).cancel(),
      });
      await on.run(archiveDay, { workflowId, input: { table, day } }, activities, async (handle) => {
        const isBehind = steps.findIndex(({ name }) => name === step) > pivot;
        if (trouble === "refused" && isBehind) {
          await expect.poll(() => handle.query(sagaQuery), { timeout: 30_000 }).toHaveProperty("needsAttention");
          await handle.executeUpdate<string, [string]>("retryNow", { args: ["it was asked for"] });
        }
        await handle.result().catch(() => {});
        const isDone = expectedOf(archiveDay.saga, step, trouble).status === "COMPLETED";
        expect((await handle.describe()).status.name).toBe(expectedOf(archiveDay.saga, step, trouble).status);
        expect([await shelf.inTable(day), await shelf.inArchive(day)]).toEqual(
          isDone ? [{ rows: 0, hash: "0" }, before] : [before, { rows: 0, hash: "0" }],
        );
      });
      if (!isCancelled) await on.close();
      const { looks, missed } = await reader.close();
      expect(missed).toEqual([]);
      expect(looks).toBeGreaterThan(1);
      expect(struck()).toBe(true);
      expect(await shelf.aside(day)).toEqual([]);
      troubledDays.set(day, { name: `${step} ${trouble}`, before });
    },
  );
});

it("from all of these a day can be archived and restored as if nothing had been", async () => {
  expect(troubledDays.size).toBe(steps.length * 4);
  const taskQueue = unique("sagas-");
  const worker = await bench.startWorker(taskQueue, shelf.activities(), caching);
  const again = [...troubledDays.keys()].map((day) =>
    bench.client.workflow.execute(archiveDay, { taskQueue, workflowId: unique("archive/"), args: [{ table, day }] }),
  );
  await worker.runUntil(Promise.all(again));
  const restore = async (day: string, { name, before }: Troubled) => {
    expect([await shelf.inTable(day), await shelf.inArchive(day)], name).toEqual([{ rows: 0, hash: "0" }, before]);
    await restoreDay({ table, day }, shelf.deps);
    expect(await shelf.inTable(day), name).toEqual(before);
  };
  await Promise.all([...troubledDays].map(([day, troubled]) => restore(day, troubled)));
  expect(await shelf.aside()).toEqual([]);
}, 300_000);

it("an archive whose worker is killed in a step, before or after its work was done, goes on elsewhere, whatever the step", async () => {
  const kill = async (when: "before" | "after") => {
    const hanging = new Set<string>();
    const days = new Map(steps.map(({ name }) => [name, shelf.freshDay()]));
    for (const day of days.values()) await shelf.fill(day, rows);
    const before = new Map(await Promise.all([...days].map(async ([name, day]) => [name, await shelf.inTable(day)] as const)));
    const readers = [...days].map(([name, day]) => ({ name, ...shelf.openReader(day, before.get(name) as Content) }));
    const real = shelf.activities();
    const doomedActivities = Object.fromEntries(
      Object.entries(real).map(([name, run]) => [
        name,
        async (key: string, ...rest: never[]) => {
          const step = stepOfKey(key);
          const call = () => (run as (...args: unknown[]) => Promise<unknown>)(key, ...rest);
          if (!key.includes(`/${days.get(step)}/`)) return call();
          if (when === "after") await call();
          hanging.add(step);
          return new Promise(() => {});
        },
      ]),
    );
    const taskQueue = unique("sagas-");
    const doomed = await bench.startWorker(taskQueue, doomedActivities, {
      ...caching,
      shutdownGraceTime: 1,
      shutdownForceTime: 500,
    });
    const dying = doomed.run().catch(() => {});
    const handles = await Promise.all(
      [...days.values()].map((day) =>
        bench.client.workflow.start(archiveDay, {
          taskQueue,
          workflowId: unique(`archive/${table}/${day}/`),
          args: [{ table, day }],
        }),
      ),
    );
    await expect.poll(() => hanging.size, { timeout: 60_000 }).toBe(steps.length);
    doomed.shutdown();
    await dying;
    const heir = await bench.startWorker(taskQueue, real, caching);
    await heir.runUntil(Promise.all(handles.map((handle) => handle.result())));
    for (const { name, close } of readers) expect((await close()).missed, `${when} ${name}`).toEqual([]);
    for (const [name, day] of days) {
      expect([await shelf.inTable(day), await shelf.inArchive(day)], `${when} ${name}`).toEqual([
        { rows: 0, hash: "0" },
        before.get(name),
      ]);
    }
  };
  await Promise.all([kill("before"), kill("after")]);
  expect(await shelf.aside()).toEqual([]);
}, 300_000);
