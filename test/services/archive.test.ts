import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { Context } from "@temporalio/activity";
import { archiveDay } from "headrace/archive/workflows";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Activities } from "../../activities/index.ts";
import { listArchives } from "../../src/archive/list.ts";
import { restoreDay } from "../../src/archive/restore.ts";
import { openArchiveBench, type Shelf, table } from "../support/archive-shelf.ts";
import { isLong } from "../support/long-form.ts";
import type { SagaBench } from "../support/saga-bench.ts";
import { unique } from "../support/services.ts";

let archiving: Awaited<ReturnType<typeof openArchiveBench>>;
let shelf: Shelf;
let bench: SagaBench;
beforeAll(async () => {
  archiving = await openArchiveBench();
  ({ shelf, bench } = archiving);
}, 120_000);
afterAll(() => archiving.close(), 60_000);

const archive = (day: string, activities?: Activities) => archiving.archive(day, activities);
const restore = (day: string) => restoreDay({ table, day }, shelf.deps);
const lineOf = async (day: string) => (await listArchives(shelf.deps)).filter((line) => line.day === day);
const nothing = { rows: 0, hash: "0" };

it("a day of many rows goes into the archive and comes back as it was", async () => {
  const rows = isLong ? 1_000_000 : 100_000;
  const day = shelf.freshDay();
  await shelf.fill(day, rows);
  const before = await shelf.inTable(day);
  expect(before.rows).toBe(rows);
  const result = await archive(day);
  expect(result).toMatchObject({ outcome: "archived", generation: 1, rows });
  expect(await shelf.inTable(day)).toEqual(nothing);
  expect(await shelf.inArchive(day)).toEqual(before);
  expect(await lineOf(day)).toMatchObject([{ generation: 1, rows, state: "archived" }]);
  await restore(day);
  expect(await shelf.inTable(day)).toEqual(before);
  expect(await lineOf(day)).toMatchObject([{ generation: 1, state: "restored" }]);
  // Once more, it changes nothing.
  expect((await restore(day)).wasThere).toBe(true);
  expect(await shelf.inTable(day)).toEqual(before);
  expect(await shelf.aside(day)).toEqual([]);
}, 240_000);

// Each has days of its own: those of one run side by side, the others have many at once themselves.
describe("a day", { concurrent: true, timeout: 180_000 }, () => {
  it("without rows is empty, and one that is archived is left alone", async () => {
    const day = shelf.freshDay();
    expect(await archive(day)).toEqual({ outcome: "empty" });
    await shelf.fill(day, 1_000);
    await archive(day);
    const manifest = join(shelf.root, table, day, "1", "manifest.json");
    const written = await readFile(manifest, "utf8");
    expect(await archive(day)).toEqual({ outcome: "already archived", generation: 1 });
    expect(await readFile(manifest, "utf8")).toBe(written);
    expect(await shelf.aside(day)).toEqual([]);
  });

  it("whose rows come late has them in the table until its next run, as a generation of their own; both come back", async () => {
    const day = shelf.freshDay();
    await shelf.fill(day, 1_000);
    await archive(day);
    await shelf.fill(day, 50, 1_000);
    expect(await lineOf(day)).toMatchObject([
      { generation: 1, rows: 1_000, state: "archived" },
      { generation: 2, state: "hot" },
    ]);
    expect(await archive(day)).toMatchObject({ outcome: "archived", generation: 2, rows: 50 });
    expect((await shelf.inTable(day)).rows).toBe(0);
    // And some that are still there when the others come back.
    await shelf.fill(day, 7, 1_050);
    await restore(day);
    const after = await shelf.inTable(day);
    expect(after.rows).toBe(1_057);
    // All that was restored goes again, as one, and nothing is kept twice.
    expect(await archive(day)).toMatchObject({ generation: 3, rows: 1_057 });
    expect(await lineOf(day)).toMatchObject([{ generation: 3, rows: 1_057, state: "archived" }]);
    for (const generation of [1, 2]) expect(await shelf.deps.store.files({ table, day, generation })).toEqual([]);
    await restore(day);
    expect(await shelf.inTable(day)).toEqual(after);
  });

  // ClickHouse cancels a deletion where any day of the table is moved.
  it.sequential("of which rows were deleted while it was restored keeps them in the archive: nobody has said that they may go", async () => {
    const day = shelf.freshDay();
    await shelf.fill(day, 1_000);
    const before = await shelf.inTable(day);
    await archive(day);
    await restore(day);
    await shelf.client.run(`DELETE FROM ${table} WHERE toDate(at) = '${day}' AND cityHash64(event_id) % 10 = 0`);
    const left = (await shelf.inTable(day)).rows;
    expect(left).toBeLessThan(1_000);
    expect(await archive(day)).toMatchObject({ generation: 2, rows: left });
    expect(await lineOf(day)).toMatchObject([
      { generation: 1, rows: 1_000, state: "archived" },
      { generation: 2, rows: left, state: "archived" },
    ]);
    await restore(day);
    expect(await shelf.inTable(day)).toEqual(before);
  });

  it.each([
    [
      "lacks a column that held nothing but its default",
      "SELECT * EXCEPT (reason) FROM written",
      /has the columns event_id.*, and the table has event_id/,
    ],
    ["lost a row", "SELECT * FROM written LIMIT 999", /999 rows are there, and 1000 were counted/],
    [
      "got another value in one row",
      `SELECT * REPLACE (if(event_id = (SELECT min(event_id) FROM written), 'somebody', user_id) AS user_id) FROM written`,
      /the hash of 1000 rows is [0-9a-f]+, and was [0-9a-f]+/,
    ],
  ])(
    "whose file %s before it was read back is put back",
    async (_, changed, words) => {
      const day = shelf.freshDay();
      await shelf.fill(day, 1_000);
      const before = await shelf.inTable(day);
      const activities = shelf.activities();
      await expect(
        archive(day, {
          ...activities,
          verifyFiles: async (key, of, files, survey) => {
            const [file] = files;
            const path = join(shelf.root, file?.path ?? "");
            const other = `${path}.other`;
            await shelf.client.run(
              `INSERT INTO FUNCTION file('${other}', 'Parquet') WITH written AS (SELECT * FROM file('${path}', 'Parquet')) ${changed}`,
            );
            await rename(other, path);
            await activities.verifyFiles(key, of, files, survey);
          },
        }),
      ).rejects.toMatchObject({
        cause: { details: [{ step: "verify", type: "archive.mismatch", message: expect.stringMatching(words) }] },
      });
      expect(await shelf.inTable(day)).toEqual(before);
      expect(await shelf.deps.store.files({ table, day, generation: 1 })).toEqual([]);
      expect(await archive(day)).toMatchObject({ outcome: "archived", generation: 1 });
      expect(await shelf.inArchive(day)).toEqual(before);
    },
    120_000,
  );

  it("whose file was changed in the archive is not restored", async () => {
    const day = shelf.freshDay();
    await shelf.fill(day, 1_000);
    await archive(day);
    const [file] = await shelf.deps.store.files({ table, day, generation: 1 });
    const path = join(shelf.root, String(file));
    await shelf.client.run(
      `INSERT INTO FUNCTION file('${path}.other', 'Parquet') SELECT * REPLACE ('somebody' AS user_id) FROM file('${path}', 'Parquet')`,
    );
    await rename(`${path}.other`, path);
    // Told of the files, before anything is loaded: a table that has changed since could not tell.
    await expect(restore(day)).rejects.toMatchObject({ message: expect.stringContaining("the files do not hold") });
    expect((await shelf.inTable(day)).rows).toBe(0);
  });

  it("of which no manifest tells stays in its table", async () => {
    const day = shelf.freshDay();
    await shelf.fill(day, 1_000);
    const before = await shelf.inTable(day);
    const activities = shelf.activities();
    await expect(archive(day, { ...activities, publishManifest: async () => {} })).rejects.toMatchObject({
      cause: { details: [{ type: "archive.mismatch" }] },
    });
    expect(await shelf.inTable(day)).toEqual(before);
  });

  it.sequential("keeps rows that come at any step, and what is archived is what was counted", async () => {
    const steps = ["exportDay", "verifyFiles", "publishManifest", "recountDay", "dropDay", "recordArchive"] as const;
    const come = async (step: (typeof steps)[number]) => {
      const day = shelf.freshDay();
      await shelf.fill(day, 1_000);
      const activities = shelf.activities();
      const real = activities[step] as (...args: unknown[]) => Promise<unknown>;
      let isFirst = true;
      const late = async (...args: unknown[]) => {
        if (isFirst) await shelf.fill(day, 3, 1_000);
        isFirst = false;
        return real(...args);
      };
      await archive(day, { ...activities, [step]: late }).catch(() => {});
      const [table_, archived] = [await shelf.inTable(day), await shelf.inArchive(day)];
      if (step === "recordArchive") expect([table_.rows, archived.rows], step).toEqual([3, 1_000]);
      else expect([table_.rows, archived.rows], step).toEqual([1_003, 0]);
      await archive(day);
      expect((await shelf.inArchive(day)).rows, step).toBe(1_003);
      expect(await shelf.aside(day), step).toEqual([]);
    };
    await Promise.all(steps.map(come));
  }, 180_000);

  it("is exported anew from the file at which a try was cut off", async () => {
    const day = shelf.freshDay();
    await shelf.fill(day, 4_800);
    const before = await shelf.inTable(day);
    const written: string[] = [];
    let isBroken = true;
    const tables: Shelf["deps"]["tables"] = (signal) => {
      const real = shelf.deps.tables(signal);
      return {
        ...real,
        writeFile: async (location, rows) => {
          if (isBroken && rows.hours[0] >= 13) {
            isBroken = false;
            throw new Error("killed at hour 13");
          }
          written.push(rows.hours.join("-"));
          await real.writeFile(location, rows);
        },
      };
    };
    expect(await archive(day, shelf.activities({ tables, rowsPerFile: 1 }))).toMatchObject({ rows: 4_800 });
    expect(written).toEqual(Array.from({ length: 24 }, (_, hour) => `${hour}-${hour}`));
    expect(await shelf.inArchive(day)).toEqual(before);
  });

  it.sequential("stands the loss of every single statement of a drop, before and after it has worked", async () => {
    const statements = ["hasTable", "setState", "storedRows", "move", "surveyDay", "rename", "drop"] as const;
    const lose = async (statement: (typeof statements)[number], when: "before" | "after") => {
      const day = shelf.freshDay();
      await shelf.fill(day, 500);
      const before = await shelf.inTable(day);
      const reader = shelf.openReader(day, before);
      let isDropping = false;
      let isBroken = false;
      const tables: Shelf["deps"]["tables"] = (signal) => {
        const real = shelf.deps.tables(signal);
        const call = real[statement] as (...args: unknown[]) => Promise<unknown>;
        const faulty = async (...args: unknown[]) => {
          if (!isDropping || isBroken) return call(...args);
          isBroken = true;
          if (when === "after") await call(...args);
          throw new Error(`${statement} is lost`);
        };
        return { ...real, [statement]: faulty };
      };
      const activities = shelf.activities({ tables });
      const dropDay: Activities["dropDay"] = async (...args) => {
        isDropping = true;
        return activities.dropDay(...args);
      };
      await archive(day, { ...activities, dropDay });
      expect(isBroken).toBe(true);
      expect([await shelf.inTable(day), await shelf.inArchive(day)], `${when} ${statement}`).toEqual([nothing, before]);
      expect((await reader.close()).missed, `${when} ${statement}`).toEqual([]);
      expect(await shelf.aside(day), `${when} ${statement}`).toEqual([]);
    };
    for (const when of ["before", "after"] as const) await Promise.all(statements.map((statement) => lose(statement, when)));
  }, 120_000);

  it.sequential("whose saga was ended by force at any step is put right by the next one", async () => {
    const steps = ["surveyDay", "exportDay", "verifyFiles", "publishManifest", "recountDay", "dropDay", "recordArchive"] as const;
    const end = async (step: (typeof steps)[number], when: "before" | "after") => {
      const day = shelf.freshDay();
      await shelf.fill(day, 500);
      const reader = shelf.openReader(day, await shelf.inTable(day));
      const activities = shelf.activities();
      const real = activities[step] as (...args: unknown[]) => Promise<unknown>;
      await bench.run(
        archiveDay,
        { workflowId: unique("archive/"), input: { table, day } },
        {
          ...activities,
          [step]: async (...args: unknown[]) => {
            if (when === "after") await real(...args);
            await bench.client.workflow.getHandle(Context.current().info.workflowExecution?.workflowId ?? "").terminate();
          },
        },
        (handle) => handle.result().catch(() => {}),
      );
      expect((await reader.close()).missed, `${when} ${step}`).toEqual([]);
      await shelf.fill(day, 3, 500);
      await archive(day);
      expect((await shelf.inArchive(day)).rows, `${when} ${step}`).toBe(503);
      expect((await shelf.inTable(day)).rows).toBe(0);
      await restore(day);
      expect((await shelf.inTable(day)).rows).toBe(503);
      expect(await shelf.aside(day), `${when} ${step}`).toEqual([]);
    };
    for (const when of ["before", "after"] as const) await Promise.all(steps.map((step) => end(step, when)));
  }, 180_000);

  it("that is not over, of an unknown table, or no day at all is refused", async () => {
    const today = new Date().toISOString().slice(0, 10);
    await expect(archive(today)).rejects.toMatchObject({ cause: { details: [{ type: "usage" }] } });
    await expect(archive("2026-02-30")).rejects.toMatchObject({ cause: { details: [{ type: "usage" }] } });
    await expect(restoreDay({ table: "nothing", day: "2026-05-01" }, shelf.deps)).rejects.toMatchObject({ code: "usage" });
  });
});

describe("a rollup", () => {
  it("keeps what it counted of a day that is archived, late rows or not, and counts it again when it is back", async () => {
    const day = shelf.freshDay();
    await shelf.fill(day, 1_000);
    await shelf.touch(day);
    await shelf.counts();
    const counted = await shelf.counted(day);
    expect(counted.length).toBeGreaterThan(24);
    // Rows that nobody has counted yet when it is archived.
    await shelf.fill(day, 500, 1_000);
    await archive(day);
    await shelf.touch(day);
    await shelf.counts();
    const archived = await shelf.counted(day);
    const events = (rows: readonly unknown[]) =>
      (rows as readonly { logins: string; failed: string }[]).reduce(
        (sum, one) => sum + Number(one.logins) + Number(one.failed),
        0,
      );
    expect(events(archived)).toBe(1_500);
    await shelf.fill(day, 10, 1_500);
    await shelf.touch(day);
    await shelf.counts();
    expect(await shelf.counted(day)).toEqual(archived);
    await restore(day);
    await shelf.counts();
    expect(events(await shelf.counted(day))).toBe(1_510);
  });
});
