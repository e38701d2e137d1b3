import type { Result, Versions } from "./run.ts";
import type { Outputs } from "./verify.ts";

/** Dead letters of one fault that the report tells of. */
const lettersShown = 20;

/** A line of the report, for programs. */
export function toLine({ outputs, ...result }: Result, fault: { readonly does: string; readonly expects: string }): object {
  const { deadLetters, ...counts } = outputs ?? { deadLetters: [] };
  const letters = deadLetters.slice(0, lettersShown).map(({ stage, reason, error, event }) => ({ stage, reason, error, event }));
  return { ...result, ...fault, ...counts, deadLetters: letters };
}

/** Writings of events that their key's state had not been waiting for. */
const outOfTurn = ({ places }: Outputs): number =>
  Object.entries(places).reduce((sum, [place, times]) => (place === "next" ? sum : sum + times), 0);

export const verdictOf = ({ passed, untried }: Result): string =>
  untried !== undefined ? "not tried" : passed ? "passed" : "FAILED";

/** A table for people, and what the failures are. */
export function toTable(results: readonly Result[], seed: string, versions: Versions): string {
  const head = [
    "fault",
    "acknowledged",
    "landed",
    "set aside",
    "lost",
    "twice",
    "raw twice",
    "out of turn",
    "audit",
    "takeover s",
    "s",
    "",
  ];
  const rows = results.map((result) => {
    const { name, outputs, takeoversMs, seconds } = result;
    return [
      name,
      ...(outputs
        ? [
            outputs.acknowledged,
            outputs.landed,
            outputs.setAside,
            outputs.lost,
            outputs.visibleDuplicates,
            outputs.rawDuplicates,
            outOfTurn(outputs),
          ]
        : Array.from({ length: 7 }, () => "?")),
      outputs === undefined ? "?" : outputs.audit.balanced ? "balanced" : "NOT BALANCED",
      takeoversMs.length === 0 ? "" : (Math.max(...takeoversMs) / 1_000).toFixed(1),
      seconds.toFixed(0),
      verdictOf(result),
    ];
  });
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => (row[i] as string).length)));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => (i === 0 || i > 7 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join("  ")
      .trimEnd(),
  );
  const failed = results.filter(({ passed }) => !passed);
  const untried = results.filter((result) => result.untried !== undefined);
  const { appendFsync, ...rest } = versions;
  const about = Object.entries(rest).map(([name, version]) => `${name} ${version}`);
  return [
    ...lines,
    "",
    ...failed.flatMap(({ name, seed: of, faults, notes }) => [
      `${name} (seed ${of})`,
      ...faults.map((fault) => `  ${fault}`),
      ...notes.map((note) => `  · ${note}`),
    ]),
    `${about.join(", ")}; appendfsync ${appendFsync}; seed ${seed}`,
    ...untried.map(({ name, untried: why }) => `not tried here: ${name} (${why})`),
    `${results.length - failed.length - untried.length} faults passed, ${failed.length} failed${untried.length > 0 ? `, ${untried.length} not tried here` : ""}`,
  ].join("\n");
}
