import { type Partition, partitionsOf } from "../../bus/partition.ts";
import { type GroupHealth, groupHealth } from "../../bus/redis/group-health.ts";
import type { Redis } from "../../bus/redis/redis.ts";
import { minutes } from "../../core/duration.ts";
import type { AppPlan, StreamPlan } from "../../plan/plan.ts";
import { counted, type Finding, failureOf, roughly } from "./finding.ts";

/** A worker that starts, or takes over, needs the time of a lease and some more. */
const patienceMs = minutes(1);

interface Look {
  readonly partition: Partition;
  readonly health: GroupHealth;
}

/** Groups that nobody runs, and entries that went before they were read. */
export async function streamFindings(redis: Redis, app: AppPlan): Promise<readonly Finding[]> {
  const findings = await Promise.all(
    app.streams.map(async (stream) => {
      const readers = app.pipelines.filter(({ sources }) => sources.includes(stream)).map(({ name }) => name);
      try {
        const looks = await Promise.all(
          partitionsOf(stream).map(async (partition) =>
            (await groupHealth(redis, partition, readers)).map((health): Look => ({ partition, health })),
          ),
        );
        const groups = new Set(looks.flat().map(({ health }) => health.name));
        return [...groups].flatMap((group) => {
          const all = looks.flat().filter(({ health }) => health.name === group);
          return [...deadFindings(stream, all, readers.includes(group)), ...all.flatMap(lossFindings)];
        });
      } catch (error) {
        return [failureOf(`stream '${stream.name}'`, error)];
      }
    }),
  );
  return findings.flat();
}

function deadFindings(stream: StreamPlan, all: readonly Look[], isOurs: boolean): readonly Finding[] {
  // What other programs do with a stream of theirs concerns us only where we trim it.
  if (!isOurs && stream.layout.kind === "adopted" && !stream.retention) return [];
  const dead = all.filter(({ health }) => !health.isAlive && health.waiting > 0 && health.oldestMs > patienceMs);
  const group = dead[0]?.health.name;
  if (group === undefined) return [];
  const waiting = dead.reduce((sum, { health }) => sum + health.waiting, 0);
  const oldest = roughly(Math.max(...dead.map(({ health }) => health.oldestMs)));
  const entries = `${waiting} entries wait for it in ${counted(dead.length, "partition")}, the oldest for ${oldest}`;
  const where = `stream '${stream.name}', group '${group}'`;
  if (isOurs) {
    const hint = `Run 'headrace start --role worker --pipelines ${group}'.`;
    return [{ severity: "warning", where, what: `no worker runs the pipeline: ${entries}; none of them is removed`, hint }];
  }
  const commands = dead.map(({ partition }) => `redis-cli XGROUP DESTROY '${partition.log}' '${group}'`);
  return [
    {
      severity: "warning",
      where,
      what: `nobody reads with it, and it is no pipeline of this application: ${entries}, and fill up Redis`,
      hint: `Start what reads with it. When nobody needs it any more: ${commands.join("; ")}`,
    },
  ];
}

function lossFindings({ partition, health: { name, lostUnread, lostPending } }: Look): readonly Finding[] {
  const where = `stream '${partition.log}', group '${name}'`;
  const culprit = `Find the program that removes entries (XDEL, XTRIM, XADD with MAXLEN) from '${partition.log}', and send the events again.`;
  const findings: Finding[] = [];
  if (lostUnread > 0) {
    const what = `at least ${counted(lostUnread, "entry", "entries")} went before it was given them`;
    findings.push({ severity: "error", where, what, hint: culprit });
  }
  if (lostPending > 0) {
    const what = `at least ${counted(lostPending, "entry", "entries")} went after it was given them, and before it acked them`;
    findings.push({ severity: "error", where, what, hint: `${culprit} A worker makes each of them a dead letter.` });
  }
  return findings;
}
