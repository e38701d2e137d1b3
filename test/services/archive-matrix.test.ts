import { archiveDay } from "headrace/archive/workflows";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { restoreDay } from "../../src/archive/restore.ts";
import { type Content, openShelf, type Shelf, table } from "../support/archive-shelf.ts";
import { isLong } from "../support/long-form.ts";
import {
  bundleApplication,
  openSagaBench,
  openSkippingBench,
  type SagaBench,
  type SkippingBench,
} from "../support/saga-bench.ts";
import { unique } from "../support/services.ts";
import { expectedOf, stepOfKey, troubled, troubles } from "./sagas/trouble.ts";

let shelf: Shelf;
let bench: SagaBench;
let skipping: SkippingBench;
beforeAll(async () => {
  const code = await bundleApplication();
  [shelf, bench, skipping] = await Promise.all([openShelf(), openSagaBench(code), openSkippingBench(code)]);
}, 120_000);
afterAll(async () => {
  await Promise.all([bench.close(), skipping.close()]);
  await shelf.close();
}, 60_000);

const { steps } = archiveDay.saga;
const pivot = steps.findIndex(({ kind }) => kind === "pivot");
const rows = isLong ? 1_000 : 200;
const troubledDays = new Map<string, { readonly name: string; readonly before: Content }>();

describe.each(steps.map(({ name }) => name))("an archive whose step '%s'", (step) => {
  it.each(troubles.filter((one) => one !== "worker killed"))(
    "is %s leaves the day whole",
    async (trouble) => {
      const on = trouble === "cancelled" ? bench : skipping;
      const day = shelf.freshDay();
      await shelf.fill(day, rows);
      const before = await shelf.inTable(day);
      const reader = shelf.openReader(day, before);
      const workflowId = unique(`archive/${table}/${day}/`);
      const { activities, struck } = troubled(shelf.activities(), archiveDay.saga, {
        step,
        trouble,
        cancel: () => on.client.workflow.getHandle(workflowId).cancel(),
      });
      await on.run(archiveDay, { workflowId, input: { table, day } }, activities, async (handle) => {
        const isBehind = steps.findIndex(({ name }) => name === step) > pivot;
        if (trouble === "refused" && isBehind) {
          await expect
            .poll(async () => (await handle.query("saga")) as object, { timeout: 30_000 })
            .toHaveProperty("needsAttention");
          await handle.executeUpdate<string, [string]>("retryNow", { args: ["it was asked for"] });
        }
        await handle.result().catch(() => {});
        const isDone = expectedOf(archiveDay.saga, step, trouble).status === "COMPLETED";
        expect((await handle.describe()).status.name).toBe(expectedOf(archiveDay.saga, step, trouble).status);
        expect([await shelf.inTable(day), await shelf.inArchive(day)]).toEqual(
          isDone ? [{ rows: 0, hash: "0" }, before] : [before, { rows: 0, hash: "0" }],
        );
      });
      const { looks, missed } = await reader.close();
      expect(missed).toEqual([]);
      expect(looks).toBeGreaterThan(1);
      expect(struck()).toBe(true);
      expect(await shelf.aside()).toEqual([]);
      troubledDays.set(day, { name: `${step} ${trouble}`, before });
    },
    120_000,
  );
});

it("from all of these a day can be archived and restored as if nothing had been", async () => {
  expect(troubledDays.size).toBe(steps.length * 4);
  const taskQueue = unique("sagas-");
  const worker = await bench.startWorker(taskQueue, shelf.activities());
  const again = [...troubledDays.keys()].map((day) =>
    bench.client.workflow.execute(archiveDay, { taskQueue, workflowId: unique("archive/"), args: [{ table, day }] }),
  );
  await worker.runUntil(Promise.all(again));
  for (const [day, { name, before }] of troubledDays) {
    expect([await shelf.inTable(day), await shelf.inArchive(day)], name).toEqual([{ rows: 0, hash: "0" }, before]);
    await restoreDay({ table, day }, shelf.deps);
    expect(await shelf.inTable(day), name).toEqual(before);
  }
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
    const doomed = await bench.startWorker(taskQueue, doomedActivities, { shutdownGraceTime: 1, shutdownForceTime: 500 });
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
    const heir = await bench.startWorker(taskQueue, real);
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
