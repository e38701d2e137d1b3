import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startHeadraceRaw } from "../support/headrace.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { makeProject } from "../support/project.ts";
import { type Case, refuseAll } from "../support/refusal.ts";

let operator: Operator;
let folder: string;

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-bad-"));
  const app = async (name: string, source: string) => {
    await mkdir(join(folder, name, "pipelines"), { recursive: true });
    await writeFile(join(folder, name, "pipelines/index.ts"), source);
  };
  await app("throws", 'throw new Error("the catalogue is closed on Mondays");');
  await app("exports-nothing", "export const unrelated = 1;");
  await app("does-not-parse", "export const app = {;");
  await app("lacks-a-file", 'export { app } from "./nowhere.ts";');
  await mkdir(join(folder, "nothing-there"));
  await writeFile(join(folder, "a-file"), "");
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const verbs: readonly (readonly string[])[] = [
  ["up"],
  ["start"],
  ["send", "logins"],
  ["sql", "SELECT 1"],
  ["migrate"],
  ["check"],
  ["audit"],
  ["lag"],
  ["rollup"],
  ["doctor"],
  ["dlq", "ls"],
  ["dlq", "show"],
  ["dlq", "stats"],
  ["dlq", "replay"],
  ["dlq", "discard"],
  ["replay", "--pipeline", "carts", "--from", "0"],
];

describe("the command line", () => {
  it("refuses a wrong flag of any verb, and says where the right ones are listed", async () => {
    const refusal = { code: 2, says: /unknown option '--wrong'/, wayOut: /headrace <verb> --help/ } as const;
    await refuseAll(
      operator,
      verbs.map((verb) => ["a wrong flag", [...verb, "--wrong"], refusal]),
    );
  }, 120_000);

  it("refuses what is no verb, and a verb without its argument, with one too many, or with a flag that lacks its value", async () => {
    const wayOut = /headrace --help/;
    await refuseAll(operator, [
      ["no verb", ["strat"], { code: 2, says: /unknown command 'strat' \(Did you mean start\?\)/, wayOut }],
      ["no verb of dlq", ["dlq", "list"], { code: 2, says: /unknown command 'list' \(Did you mean ls\?\)/, wayOut }],
      ["no stream", ["send"], { code: 2, says: /missing required argument 'stream'/, wayOut }],
      ["no statement", ["sql"], { code: 2, says: /missing required argument 'statement'/, wayOut }],
      ["a statement without quotes", ["sql", "SELECT", "1"], { code: 2, says: /too many arguments for 'sql'/, wayOut }],
      ["a flag without its value", ["send", "logins", "--file"], { code: 2, says: /'--file <file>' argument missing/, wayOut }],
    ]);
    for (const args of [[], ["dlq"]]) {
      const { code, stdout, stderr } = await operator.tryRun(args);
      expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(/^Usage: headrace/m) });
    }
  }, 120_000);

  it("refuses values that no flag of send takes", async () => {
    const send = (...args: readonly string[]) => ["send", "logins", ...args];
    await refuseAll(operator, [
      [
        "no stream of this name",
        ["send", "logouts"],
        { code: 2, says: /no stream 'logouts'/, wayOut: /logins, app-logins, login-failures, alerts, carts, orders/ },
      ],
      ["an adopted stream", ["send", "app-logins"], { code: 2, says: /'app-logins' is adopted/, wayOut: /XADD app:logins/ }],
      ["no format of this name", send("--from", "xml"), { code: 2, says: /no format 'xml'/, wayOut: /json, sshd/ }],
      [
        "a file that is not there",
        send("--file", join(folder, "no-such-file")),
        { code: 2, says: /no-such-file cannot be read: ENOENT/, wayOut: /path of a text file/ },
      ],
      ["a directory", send("--file", folder), { code: 2, says: /is a directory/, wayOut: /path of a text file/ }],
      [
        "a part of the path is a file",
        send("--file", join(folder, "a-file", "log")),
        { code: 2, says: /cannot be read: ENOTDIR/, wayOut: /path of a text file/ },
      ],
      ...["26", "20x6", "99999", "-2026", ""].map(
        (year): Case => [
          `year ${year}`,
          send("--year", year),
          { code: 2, says: /--year '.*' is not a year/, wayOut: /four digits/ },
        ],
      ),
      ...["0", "-5", "fast", "1.5", ""].map(
        (rate): Case => [
          `rate ${rate}`,
          send("--rate", rate),
          { code: 2, says: /--rate '.*' is not a whole number above 0/, wayOut: /digits/ },
        ],
      ),
      ...["5", "soon", "-2m", ""].map(
        (time): Case => [
          `duration ${time}`,
          send("--give-up-after", time),
          { code: 2, says: /'.*' is not a duration/, wayOut: /such as 250ms, 30s, 2m/ },
        ],
      ),
    ]);
  }, 120_000);

  it("refuses roles, pipelines, times, ids and settings that do not exist", async () => {
    const pipelines = /login-analytics, login-failures, login-attacks, carts, orders/;
    await refuseAll(operator, [
      [
        "role",
        ["start", "--role", "wizard"],
        { code: 2, says: /no role 'wizard'/, wayOut: /worker, saga, participants, collector and all/ },
      ],
      [
        "lease",
        ["start", "--lease", "500ms"],
        { code: 2, says: /--lease cannot be 500 ms/, wayOut: /1 s to 1 min; 10 s is the default/ },
      ],
      [
        "no role",
        ["start", "--role", ","],
        { code: 2, says: /no role ''/, wayOut: /worker, saga, participants, collector and all/ },
      ],
      ["pipeline", ["start", "--pipelines", "carts,cats"], { code: 2, says: /no pipeline 'cats'/, wayOut: pipelines }],
      ["no pipeline", ["start", "--pipelines", ""], { code: 2, says: /names no pipeline/, wayOut: pipelines }],
      ["dlq --pipeline", ["dlq", "ls", "--pipeline", "cats"], { code: 2, says: /no pipeline 'cats'/, wayOut: pipelines }],
      [
        "dlq --since a word",
        ["dlq", "stats", "--since", "yesterday"],
        { code: 2, says: /--since 'yesterday' is neither a time nor a duration/, wayOut: /2026-11-24T10:00:00Z/ },
      ],
      [
        "dlq --since no date",
        ["dlq", "stats", "--since", "2026-02-99"],
        { code: 2, says: /--since '2026-02-99' is not a time/, wayOut: /2h/ },
      ],
      ["dlq replay an id", ["dlq", "replay", "1-1"], { code: 2, says: /no dead letter '1-1'/, wayOut: /dlq ls/ }],
      [
        "dlq replay --rate",
        ["dlq", "replay", "--rate", "0"],
        { code: 2, says: /--rate '0' is not a whole number above 0/, wayOut: /digits/ },
      ],
      ["dlq discard everything", ["dlq", "discard"], { code: 2, says: /would discard every dead letter/, wayOut: /--all/ }],
      [
        "replay no pipeline",
        ["replay", "--from", "0"],
        { code: 2, says: /required option '--pipeline <name>' not specified/, wayOut: /headrace <verb> --help/ },
      ],
      [
        "replay from nowhere",
        ["replay", "--pipeline", "orders"],
        { code: 2, says: /required option '--from <position>' not specified/, wayOut: /headrace <verb> --help/ },
      ],
      [
        "replay --pipeline",
        ["replay", "--pipeline", "cats", "--from", "0"],
        { code: 2, says: /no pipeline 'cats'/, wayOut: pipelines },
      ],
      [
        "replay --from a word",
        ["replay", "--pipeline", "login-analytics", "--from", "yesterday"],
        { code: 2, says: /--from 'yesterday' is neither a time nor a position/, wayOut: /logins\/07:1795600000000-0/ },
      ],
      [
        "replay --from a partition of another stream",
        ["replay", "--pipeline", "login-analytics", "--from", "carts/00:0"],
        { code: 2, says: /'login-analytics' reads no partition 'carts\/00'/, wayOut: /logins\/00, .*app-logins/ },
      ],
      [
        "replay --give-up-after",
        ["replay", "--pipeline", "login-analytics", "--from", "0", "--give-up-after", "soon"],
        { code: 2, says: /'soon' is not a duration/, wayOut: /such as 250ms/ },
      ],
      ["dlq show an id", ["dlq", "show", "1-1"], { code: 2, says: /no dead letter '1-1'/, wayOut: /dlq ls/ }],
      [
        "up --ports",
        ["up", "--dir", folder, "--ports", "9000"],
        { code: 2, says: /--ports cannot be '9000'/, wayOut: /free or standard/ },
      ],
      [
        "up --append-fsync",
        ["up", "--dir", folder, "--append-fsync", "no"],
        { code: 2, says: /--append-fsync cannot be 'no'/, wayOut: /everysec or always/ },
      ],
      ["an empty statement", ["sql", " ; "], { code: 2, says: /statement is empty/, wayOut: /in quotes/ }],
      [
        "no level of logs",
        ["audit"],
        { code: 1, says: /LOG_LEVEL is 'loud'/, wayOut: /debug, info, warn, error/ },
        { LOG_LEVEL: "loud" },
      ],
      [
        "no level of logs, for up",
        ["up", "--dir", folder],
        { code: 1, says: /LOG_LEVEL is 'loud'/, wayOut: /debug, info, warn, error/ },
        { LOG_LEVEL: "loud" },
      ],
    ]);
  }, 120_000);
});

describe("an application", () => {
  it("that is not there, or cannot be loaded, is refused by every verb that needs it", async () => {
    const needing = [["start"], ["send", "logins"], ["migrate"], ["audit"], ["lag"], ["rollup"], ["dlq", "ls"], ["check"]];
    const of = (app: string, says: RegExp, wayOut: RegExp, some = needing) =>
      some.map((verb): Case => [app, ["--cwd", join(folder, app), ...verb], { code: 1, says, wayOut }]);
    await refuseAll(operator, [
      ...of("nothing-there", /no pipelines\/index\.ts in .*nothing-there/, /--cwd/),
      ...of("throws", /throws\/pipelines\/index\.ts could not be loaded: the catalogue is closed on Mondays/, /--debug/),
      ...of("exports-nothing", /exports-nothing\/pipelines\/index\.ts exports no application/, /export const app = defineApp/, [
        ["start"],
        ["check"],
      ]),
      [
        "it does not parse",
        ["--cwd", join(folder, "does-not-parse"), "check"],
        { code: 1, says: /could not be loaded: .*Unexpected token/, wayOut: /npx tsc/ },
      ],
      [
        "it lacks a file",
        ["--cwd", join(folder, "lacks-a-file"), "check"],
        { code: 1, says: /could not be loaded: Cannot find module '\.\/nowhere\.ts'/, wayOut: /npx tsc/ },
      ],
    ]);
  }, 240_000);

  it("is a finding of check, for those who read JSON", async () => {
    const { code, stdout } = await operator.tryRun(["--cwd", join(folder, "throws"), "check", "--json"]);
    expect(code).toBe(1);
    expect(linesOf(stdout)).toEqual([
      {
        ok: false,
        findings: [
          {
            code: "app.load",
            where: "pipelines/index.ts",
            message: expect.stringContaining("closed on Mondays"),
            hint: expect.stringContaining("npx tsc"),
          },
        ],
      },
    ]);
  });

  it("says in one sentence that a project keeps no books, or half of them, and the way out", async () => {
    const project = await makeProject({
      "pipelines/index.ts": 'import { defineApp } from "headrace";\nexport const app = defineApp({ pipelines: [] });\n',
    });
    const reconcile = ["--cwd", project.path, "reconcile"];
    const wayOut = /docs\/sagas\.md/;
    try {
      const says = /keeps no books .*activities\/index\.ts.* exports no readBooks and checkBooks$/m;
      await refuseAll(operator, [["no books", reconcile, { code: 1, says, wayOut }]]);
      await project.write({ "activities/index.ts": "export const readBooks = async () => ({ sold: 1 });\n" });
      await refuseAll(operator, [["half of them", reconcile, { code: 1, says: /exports no checkBooks$/m, wayOut }]]);
    } finally {
      await project.remove();
    }
  }, 60_000);

  it("shows where it threw with --debug, and only then", async () => {
    const { code, stderr } = await operator.tryRun(["--debug", "--cwd", join(folder, "throws"), "check"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*\n {7}Run/m);
    expect(stderr).toMatch(/\[cause\]: Error: the catalogue is closed on Mondays\n\s+at .*throws\/pipelines\/index\.ts:1/);
  });
});

describe("standard output", () => {
  it("holds nothing but JSON lines with --json, and control characters of data never reach a terminal's table", async () => {
    for (const args of [
      ["migrate"],
      ["check"],
      ["audit"],
      ["lag"],
      ["rollup"],
      ["dlq", "ls"],
      ["dlq", "replay"],
      ["replay", "--pipeline", "login-analytics", "--from", "0"],
      ["sql", "SELECT 1 AS one"],
    ]) {
      expect(() => linesOf(args.join(" ")), "the check would see other text").toThrow();
      const { stdout } = await operator.run([...args, "--json"]);
      expect(
        linesOf<object>(stdout).every((line) => typeof line === "object"),
        args.join(" "),
      ).toBe(true);
    }
    const { stdout } = await operator.run(["sql", "SELECT 'a\\x1b[2Jb\\nc' AS text"]);
    expect(stdout).toContain("a\\x1b[2Jb\\x0ac");
  }, 60_000);

  it("may be closed by a reader who has seen enough", async () => {
    const child = startHeadraceRaw(["sql", "SELECT number FROM numbers(200000)", "--json"], { env: operator.env });
    const exit = once(child, "exit");
    child.stdin.end();
    await once(child.stdout, "data");
    child.stdout.destroy();
    let said = "";
    for await (const text of child.stderr) said += text;
    expect(said.replace(/^headrace: .*\n/gm, "")).toBe("");
    expect(await exit).toEqual([0, null]);
  });
});
