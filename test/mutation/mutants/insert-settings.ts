import type { Check, Mutant } from "../mutant.ts";

const file = "src/sinks/clickhouse/client.ts";
const by: Check = { kind: "tests", files: ["test/services/insert-settings.test.ts"] };

/** What an insert asks of the server, whatever that is set to. */
export const insertSettings: readonly Mutant[] = [
  {
    name: "insert-is-put-aside",
    breaks: "rows are confirmed that only the server's memory holds",
    file,
    find: "async_insert = 0, ",
    replace: "",
    by,
  },
  {
    name: "insert-is-deduplicated",
    breaks: "a block is taken for a repeat whose rows went with a crash",
    file,
    find: "deduplicate_insert = 'disable'",
    replace: "async_insert = 0",
    by,
  },
  {
    name: "insert-skips-columns",
    breaks: "the values of a column that the table lacks are gone without a word",
    file,
    find: "input_format_skip_unknown_fields = 0",
    replace: "input_format_skip_unknown_fields = 1",
    by,
  },
  {
    name: "insert-leaves-columns-to-the-server",
    breaks: "the same, where the server is set so",
    file,
    find: "input_format_skip_unknown_fields = 0, ",
    replace: "",
    by,
  },
  {
    name: "insert-merges-rows",
    breaks: "views do not see a row that another of the same insert replaces",
    file,
    find: "optimize_on_insert = 0",
    replace: "optimize_on_insert = 1",
    by,
  },
  {
    name: "insert-leaves-merging-to-the-server",
    breaks: "the same, where the server is set so",
    file,
    find: ", optimize_on_insert = 0",
    replace: "",
    by,
  },
];
