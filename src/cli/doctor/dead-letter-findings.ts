import { keys, partitionsOf } from "../../bus/partition.ts";
import type { AppPlan } from "../../plan/plan.ts";
import type { Redis } from "../../redis/client.ts";
import { counted, type DoctorFinding } from "./finding.ts";

/** Dead letters that had no room. */
export async function deadLetterFindings(redis: Redis, { pipelines }: AppPlan): Promise<readonly DoctorFinding[]> {
  const findings = await Promise.all(
    pipelines.map(async ({ name, sources }): Promise<readonly DoctorFinding[]> => {
      const counts = await Promise.all(
        sources.flatMap(partitionsOf).map(async (partition) => {
          const key = keys.ledger(partition, name);
          return Number((await redis.send(key, ["HGET", key, "notKept"])) ?? 0);
        }),
      );
      const missing = counts.reduce((sum, count) => sum + count, 0);
      if (missing === 0) return [];
      const what = `${counted(missing, "dead letter")} had no room and were not kept: the audit counts them, and nobody can look at them or replay them`;
      const hint = `See why there are so many ('headrace dlq stats --pipeline ${name}'), make room ('headrace dlq replay' or 'discard'), or give them more: HEADRACE_DEAD_LETTER_MB.`;
      return [{ severity: "warning", where: `pipeline '${name}'`, what, hint }];
    }),
  );
  return findings.flat();
}
