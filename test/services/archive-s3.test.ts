import { archiveDay } from "headrace/archive/workflows";
import { afterAll, beforeAll, expect, it } from "vitest";
import { restoreDay } from "../../src/archive/restore.ts";
import { createS3Store } from "../../src/archive/s3-store.ts";
import { createArchiveTexts } from "../../src/sinks/clickhouse/archive-texts.ts";
import { openShelf, type Shelf, table } from "../support/archive-shelf.ts";
import { startS3 } from "../support/s3-server.ts";
import { bundleApplication, openSagaBench, type SagaBench } from "../support/saga-bench.ts";
import { unique } from "../support/services.ts";

let shelf: Shelf;
let bench: SagaBench;
let s3: Awaited<ReturnType<typeof startS3>>;
beforeAll(async () => {
  const code = await bundleApplication();
  [shelf, bench, s3] = await Promise.all([openShelf(), openSagaBench(code), startS3("bucket")]);
}, 300_000);
afterAll(async () => {
  await bench.close();
  await shelf.close();
  await s3.stop();
}, 60_000);

const storeOf = (address: string) => {
  const options = { address, endpoint: s3.endpoint, region: undefined, keys: ["id", "secret"] as const };
  return createS3Store(options, createArchiveTexts(shelf.client));
};
const archive = (day: string, activities = shelf.activities()) =>
  bench.run(archiveDay, { workflowId: unique("archive/"), input: { table, day } }, activities, (handle) => handle.result());

it.each(["s3://bucket/logs/2026", "s3://bucket"])(
  "a day goes to %s and comes back, and one that is refused leaves nothing there",
  async (address) => {
    const store = storeOf(address);
    const day = shelf.freshDay();
    await shelf.fill(day, 5_000);
    const before = await shelf.inTable(day);
    const activities = shelf.activities({ store });
    const refused = archive(day, {
      ...activities,
      recountDay: (key, of, survey) => activities.recountDay(key, of, { ...survey, hash: "0" }),
    });
    await expect(refused).rejects.toMatchObject({ cause: { details: [{ type: "archive.changed" }] } });
    expect(await store.manifests({ table })).toEqual([]);
    expect(await store.files({ table, day, generation: 1 })).toEqual([]);
    expect(await shelf.inTable(day)).toEqual(before);

    expect(await archive(day, activities)).toMatchObject({ outcome: "archived", generation: 1, rows: 5_000 });
    expect((await shelf.inTable(day)).rows).toBe(0);
    const [manifest] = await store.manifests({ table, day });
    expect(manifest).toMatchObject({ rows: 5_000, files: [{ rows: 5_000 }] });
    expect(await store.files({ table, day, generation: 1 })).toEqual(manifest?.files.map(({ path }) => path));
    await shelf.fill(day, 10, 5_000);
    expect(await archive(day, activities)).toMatchObject({ generation: 2, rows: 10 });
    await restoreDay({ table, day }, { ...shelf.deps, store });
    expect((await shelf.inTable(day)).rows).toBe(5_010);
  },
  120_000,
);

it("an address without a bucket is refused", () => {
  expect(() => storeOf("s3:///nothing")).toThrow(/names no bucket/);
});
