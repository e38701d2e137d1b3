import type { LoginEvent } from "./emission.ts";

/** A burst: at least 5 failures of one user, or from one address, with no gap over 5 minutes between two, in event time. */
export interface Attack {
  readonly kind: "user" | "address";
  /** The user or the address. */
  readonly subject: string;
  readonly since: Date;
  readonly until: Date;
  readonly failures: number;
}

const kinds = ["user", "address"] as const;
const minFailures = 5;
const maxGapMs = 300_000;
/** After so many failures, runs that can no longer grow are put away: a long day need not hold every address it saw. */
const sweepEvery = 20_000;

/** Finds the bursts of failures that are recorded in the order they happened. */
export function createAttackTruth() {
  const runs = { user: new Map<string, Run>(), address: new Map<string, Run>() };
  const attacks: Attack[] = [];

  const toAttack = (kind: Attack["kind"], subject: string, { since, until, failures }: Run): Attack => ({
    kind,
    subject,
    since: new Date(since),
    until: new Date(until),
    failures,
  });
  const extend = (kind: Attack["kind"], subject: string, time: number): void => {
    const run = runs[kind].get(subject);
    if (run !== undefined && time - run.until <= maxGapMs) {
      run.until = time;
      run.failures += 1;
      return;
    }
    if (run !== undefined && run.failures >= minFailures) attacks.push(toAttack(kind, subject, run));
    runs[kind].set(subject, { since: time, until: time, failures: 1 });
  };
  const sweep = (time: number): void => {
    for (const kind of kinds) {
      for (const [subject, run] of runs[kind]) {
        if (time - run.until <= maxGapMs) continue;
        if (run.failures >= minFailures) attacks.push(toAttack(kind, subject, run));
        runs[kind].delete(subject);
      }
    }
  };
  let recorded = 0;
  return {
    record(event: Extract<LoginEvent, { type: "login.failed" }>): void {
      const time = event.time.getTime();
      extend("user", event.data.userId, time);
      extend("address", event.data.ip, time);
      recorded += 1;
      if (recorded % sweepEvery === 0) sweep(time);
    },
    /** Bursts that may still go on are counted as they stand. */
    result(): readonly Attack[] {
      const open = kinds.flatMap((kind) =>
        [...runs[kind]].filter(([, run]) => run.failures >= minFailures).map(([subject, run]) => toAttack(kind, subject, run)),
      );
      return [...attacks, ...open];
    },
  };
}

interface Run {
  readonly since: number;
  until: number;
  failures: number;
}
