import { expect, it } from "vitest";
import { launcherOf } from "../../../src/cli/launcher.ts";

/** Processes by number: parent and command line. */
const tree = (...processes: readonly (readonly [parent: number, commandLine: string])[]) => {
  const at = (pid: number) => processes[pid - 10];
  return { parentOf: (pid: number) => at(pid)?.[0], commandLineOf: (pid: number) => at(pid)?.[1] ?? "" };
};

it.each([
  ["npm exec headrace start"],
  ["node /usr/bin/npx headrace start"],
  ["node /opt/lib/node_modules/npm/bin/npm-cli.js exec headrace start"],
  ["npm run worker"],
  ["node /opt/pnpm/bin/pnpm.cjs exec headrace start"],
])("the launcher is '%s', past the shell between", (commandLine) => {
  expect(launcherOf(10, tree([11, "node headrace start"], [12, "sh -c headrace start"], [1, commandLine]))).toBe(12);
});

it.each([
  ["a terminal", tree([11, "node headrace start"], [12, "-bash"], [1, "sshd"])],
  ["systemd", tree([1, "node headrace start"])],
  ["a shell that has gone", tree([11, "node headrace start"])],
  ["a program with npm in its arguments", tree([11, "node headrace start"], [1, "supervisord -c /etc/npm-tools.conf"])],
  [
    "an npm that started the program which started us",
    tree([11, "node headrace"], [12, "sh"], [13, "node server.js"], [1, "npm start"]),
  ],
])("nobody's end is waited for behind %s", (_, processes) => {
  expect(launcherOf(10, processes)).toBeUndefined();
});
