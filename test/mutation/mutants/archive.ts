import type { Check, Mutant } from "../mutant.ts";

const archive = (names: string): Check => ({ kind: "tests", files: ["test/services/archive.test.ts"], names });

/** Rows leave a table only when they are in the archive, every one of them. */
export const archiveVerification: readonly Mutant[] = [
  {
    name: "archive-hash-not-compared",
    breaks: "a file whose values have changed is taken for good, and the rows leave the table",
    file: "src/archive/export.ts",
    find: "if (found.hash !== survey.hash) mismatch",
    replace: "if (false) mismatch",
    by: archive("a day whose file|keeps rows that come"),
  },
  {
    name: "archive-rows-not-counted",
    breaks: "a file that is too short is told as one of wrong values",
    file: "src/archive/export.ts",
    find: "if (found.rows !== survey.rows) mismatch",
    replace: "if (false) mismatch",
    by: archive("a day whose file|keeps rows that come"),
  },
  {
    name: "archive-columns-not-compared",
    breaks: "a file that lacks a column is taken for good, where the column held nothing but its default",
    file: "src/archive/export.ts",
    find: "if (names !== wanted) mismatch",
    replace: "if (false) mismatch",
    by: archive("a day whose file|keeps rows that come"),
  },
  {
    name: "drop-without-a-recount",
    breaks: "rows that came between the count and the drop are dropped uncounted",
    file: "src/archive/drop.ts",
    find: "if (found.rows !== survey.rows || found.hash !== survey.hash) throw",
    replace: "if (false) throw",
    by: archive("a day whose file|keeps rows that come"),
  },
  {
    name: "drop-without-a-manifest",
    breaks: "rows are dropped that no manifest says where to find",
    file: "src/archive/drop.ts",
    find: "if (published?.hash !== survey.hash || published.rows !== survey.rows)",
    replace: "if (false)",
    by: archive("a day of which no manifest"),
  },
  {
    name: "restore-without-a-hash",
    breaks: "a damaged file is restored, and its rows stand in the table as if they were the old ones",
    file: "src/archive/restore.ts",
    find: "await verifyFiles(manifest.files, { survey: manifest, time }, { tables, store });",
    replace: "",
    by: archive("a day whose file was changed in the archive"),
  },
];
