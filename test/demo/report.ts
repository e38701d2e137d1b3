/** The demo's report: the last line of `npm run demo -- --json`, as the contract has it. */
export interface Report {
  readonly produced: number;
  readonly unique: number;
  readonly duplicates: number;
  readonly invalid: number;
  readonly late: number;
  readonly rows: number;
  readonly logins: number;
  readonly failed: number;
  readonly sessions: number;
  readonly medianSessionMs: number | null;
  readonly deadLettered: number;
  readonly checkouts: { readonly completed: number; readonly undone: number };
  readonly audit: "balanced" | "unbalanced";
  readonly verified: boolean;
  readonly seconds: number;
  readonly eventsPerSecond: number;
}

/** As one line of JSON, or as answers for people. */
export function printReport(report: Report, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const number = (value: number) => value.toLocaleString("en");
  const minutes = report.medianSessionMs === null ? "unknown" : `${(report.medianSessionMs / 60_000).toFixed(1)} minutes`;
  const lines = [
    [
      "Sent",
      `${number(report.produced)} events: ${number(report.unique)} different, ${number(report.duplicates)} sent again, ${number(report.invalid)} malformed, ${number(report.late)} late`,
    ],
    ["Logins", `${number(report.logins)}, and ${number(report.failed)} failed ones`],
    ["Sessions", `${number(report.sessions)}, half of them shorter than ${minutes}`],
    ["Checkouts", `${report.checkouts.completed} finished, ${report.checkouts.undone} undone`],
    ["Dead letters", `${number(report.deadLettered)}, each with its bytes and its reason`],
    ["Audit", `${report.audit}: every event that was read has one outcome`],
    ["Verified", report.verified ? "yes: every number of the tables equals what was sent" : "NO: see the lines marked WRONG"],
    ["Speed", `${number(report.eventsPerSecond)} events a second, from sending to tables; ${report.seconds} s in all`],
  ];
  process.stdout.write(`\n${lines.map(([name = "", text]) => `${name.padEnd(14)}${text}`).join("\n")}\n`);
}
