import { type Partition, partitionsOf } from "../../bus/partition.ts";
import { type GroupHealth, groupHealth, type OutboxHealth } from "../../bus/redis/group-health.ts";
import { keyFaults } from "../../bus/redis/log-key.ts";
import { minutes, seconds } from "../../core/duration.ts";
import { shellWord } from "../../core/shell-word.ts";
import type { AppPlan, StreamPlan } from "../../plan/plan.ts";
import type { Redis } from "../../redis/client.ts";
import { counted, type DoctorFinding, failureOf, roughly } from "./finding.ts";

/** A worker that starts, or takes over, needs the time of a lease and some more. */
const graceMs = minutes(1);
/** What is derived is brought where it belongs at once, and is tried again every few seconds. */
const outboxGraceMs = seconds(30);

interface PartitionHealth {
  readonly partition: Partition;
  readonly health: GroupHealth;
}

/** Groups that nobody runs, entries that went before they were read, and derived events that stand still on their way. */
export async function streamFindings(redis: Redis, app: AppPlan): Promise<readonly DoctorFinding[]> {
  const findings = await Promise.all(
    app.streams.map(async (stream) => {
      const readers = app.pipelines.filter(({ sources }) => sources.includes(stream)).map(({ name }) => name);
      try {
        const faults = await Promise.all(partitionsOf(stream).map((partition) => keyFaults(redis, partition, readers)));
        // What hangs on them cannot be looked at.
        if (faults.flat().length > 0)
          return faults.flat().map((fault): DoctorFinding => ({ severity: "error", where: `stream '${stream.name}'`, ...fault }));
        const seen = await Promise.all(
          partitionsOf(stream).map(async (partition) =>
            (await groupHealth(redis, partition, readers)).map((health): PartitionHealth => ({ partition, health })),
          ),
        );
        const groups = new Set(seen.flat().map(({ health }) => health.name));
        return [...groups].flatMap((group) => {
          const all = seen.flat().filter(({ health }) => health.name === group);
          const isOurs = readers.includes(group);
          return [
            ...deadFindings(stream, all, isOurs),
            ...outboxFindings(stream, all, isOurs),
            ...all.flatMap(unreadableFindings),
            ...all.flatMap(lossFindings),
          ];
        });
      } catch (error) {
        return [failureOf(`stream '${stream.name}'`, error)];
      }
    }),
  );
  return findings.flat();
}

function deadFindings(stream: StreamPlan, all: readonly PartitionHealth[], isOurs: boolean): readonly DoctorFinding[] {
  // What other programs do with a stream of theirs concerns us only where we trim it.
  if (!isOurs && stream.layout.kind === "adopted" && !stream.retention) return [];
  const dead = all.filter(({ health }) => !health.isAlive && health.waiting > 0 && health.oldestMs > graceMs);
  const group = dead[0]?.health.name;
  if (group === undefined) return [];
  const waiting = dead.reduce((sum, { health }) => sum + health.waiting, 0);
  const oldest = roughly(Math.max(...dead.map(({ health }) => health.oldestMs)));
  const entries = `${waiting} entries wait for it in ${counted(dead.length, "partition")}, the oldest for ${oldest}`;
  const where = `stream '${stream.name}', group '${group}'`;
  if (isOurs) {
    const hint = `Run '${startOf(group)}'.`;
    return [{ severity: "warning", where, what: `no worker runs the pipeline: ${entries}; none of them is removed`, hint }];
  }
  const commands = dead.map(({ partition }) => `redis-cli XGROUP DESTROY ${shellWord(partition.log)} ${shellWord(group)}`);
  return [
    {
      severity: "warning",
      where,
      what: `nobody reads with it, and it is no pipeline of this application: ${entries}, and fill up Redis`,
      hint: `Start what reads with it. When nobody needs it any more: ${commands.join("; ")}`,
    },
  ];
}

function outboxFindings(stream: StreamPlan, all: readonly PartitionHealth[], isOurs: boolean): readonly DoctorFinding[] {
  const stuck = all.flatMap(({ health: { name, isAlive, outbox } }) =>
    outbox?.to !== undefined && outbox.oldestMs > outboxGraceMs ? [{ name, isAlive, ...outbox }] : [],
  );
  const oldest = stuck.reduce<OutboxHealth | undefined>((a, b) => (a && a.oldestMs >= b.oldestMs ? a : b), undefined);
  const group = stuck[0]?.name;
  if (!oldest || group === undefined) return [];
  const frames = counted(
    stuck.reduce((sum, { frames }) => sum + frames, 0),
    "frame",
  );
  const what = `derived events stand still on their way: ${frames} in the outbox of ${counted(stuck.length, "partition")}, the oldest, for '${oldest.to}', for ${roughly(oldest.oldestMs)}`;
  const hint = !isOurs
    ? `It is no pipeline of this application, so nobody brings them on. Start the version that has it ('${startOf(group)}') until they have gone.`
    : stuck.some(({ isAlive }) => !isAlive)
      ? `Run '${startOf(group)}'.`
      : `Look for 'outbox' in the log of the worker that runs '${group}': it says why '${oldest.to}' takes none, such as a full Redis, a missing right, or a master that is away.`;
  return [{ severity: "warning", where: `stream '${stream.name}', group '${group}'`, what, hint }];
}

function unreadableFindings({ partition, health: { name, outbox } }: PartitionHealth): readonly DoctorFinding[] {
  if (!outbox?.unreadable) return [];
  const { outbox: key, id, fault } = outbox.unreadable;
  return [
    {
      severity: "error",
      where: `stream '${partition.log}', group '${name}'`,
      what: `derived events cannot be read in the outbox '${key}', record ${id}: ${fault}; what is next behind them in their stream waits`,
      hint: `Start the version that wrote it, or put it back as it was. To give its events up, so that those behind them go on: redis-cli XDEL ${shellWord(key)} ${id}`,
    },
  ];
}

function lossFindings({ partition, health: { name, lostUnread, lostPending } }: PartitionHealth): readonly DoctorFinding[] {
  const where = `stream '${partition.log}', group '${name}'`;
  const culprit = `Find the program that removes entries (XDEL, XTRIM, XADD with MAXLEN) from '${partition.log}', and send the events again.`;
  const findings: DoctorFinding[] = [];
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

/** The command that runs one pipeline. A group may be of any name, whoever has made it. */
const startOf = (group: string): string => `headrace start --role worker --pipelines ${shellWord(group)}`;
