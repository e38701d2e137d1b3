import { keys, type Partition, partitionsOf } from "../bus/partition.ts";
import { ConfigError } from "../core/errors.ts";
import { nth } from "../core/nth.ts";
import { shellWord } from "../core/shell-word.ts";
import type { Finding } from "../plan/check.ts";
import {
  comparePipeline,
  compareStream,
  type PipelineRecord,
  recordOfPipeline,
  recordOfStream,
  type StreamRecord,
} from "../plan/deployment.ts";
import type { AppPlan } from "../plan/plan.ts";

/** What was last deployed, a text under each key. Drivers: Redis, and the in-memory twin. Every call may be repeated. */
export interface Deployments {
  read(key: string): Promise<string | null>;
  /** Writes `text` where `before` still stands, and says whether it did. */
  replace(key: string, before: string | null, text: string): Promise<boolean>;
}

/** One record of an application: where it lies, and how it is compared and made. */
interface DeploymentText {
  readonly key: string;
  readonly compare: (before: string) => readonly Finding[];
  /** `null` where there is nothing to write down. */
  readonly next: (before: string | null) => string | null;
}

/** What was deployed that this code cannot go on from. Changes nothing. */
export async function findChanges(app: Pick<AppPlan, "pipelines">, deployments: Deployments): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { key, compare } of textsOf(app)) {
    const before = await deployments.read(key);
    if (before !== null) findings.push(...compare(before));
  }
  return findings;
}

/**
 * Writes down what is deployed now, before anything of it is read. Versions that overlap see each other: whichever comes second has
 * to go on from the first.
 *
 * @throws ConfigError `deployment.incompatible` where it cannot; then nothing was written
 */
export async function deploy(app: Pick<AppPlan, "pipelines">, deployments: Deployments): Promise<void> {
  const [first, ...others] = await findChanges(app, deployments);
  if (first) throw refusal(first, others.length);
  for (const { key, compare, next } of textsOf(app)) {
    for (;;) {
      const before = await deployments.read(key);
      // Somebody else may have deployed since.
      const [finding] = before === null ? [] : compare(before);
      if (finding) throw refusal(finding, 0);
      const text = next(before);
      if (text === null || text === before || (await deployments.replace(key, before, text))) break;
    }
  }
}

function refusal({ where, message, hint }: Finding, others: number): ConfigError {
  const more = others === 0 ? "" : ` (and ${others} more: 'headrace check' shows all)`;
  return new ConfigError("deployment.incompatible", `${where}: ${message}${more}`, { hint });
}

function textsOf({ pipelines }: Pick<AppPlan, "pipelines">): readonly DeploymentText[] {
  const streams = new Set(pipelines.flatMap(({ sources }) => sources));
  return [
    ...[...streams].map((stream): DeploymentText => {
      const text = JSON.stringify(recordOfStream(stream));
      const key = keys.schemas(firstOf(stream));
      return {
        key,
        compare: (before) => compareStream(stream, parse<StreamRecord>(before, key, "events")),
        next: () => text,
      };
    }),
    ...pipelines.flatMap((pipeline) =>
      pipeline.sources.slice(0, 1).map((stream): DeploymentText => {
        const key = keys.stages(firstOf(stream), pipeline.name);
        const recordIn = (text: string) => parse<PipelineRecord>(text, key, "stages");
        return {
          key,
          compare: (before) => comparePipeline(pipeline, recordIn(before)),
          next: (before) => {
            const record = recordOfPipeline(pipeline, before === null ? undefined : recordIn(before));
            return before === null && Object.keys(record.stages).length === 0 ? null : JSON.stringify(record);
          },
        };
      }),
    ),
  ];
}

/**
 * Nothing is started beside a record that cannot be read: it may forbid just that.
 * @throws ConfigError `deployment.incompatible`
 */
function parse<Kept>(text: string, key: string, part: keyof Kept & string): Kept {
  try {
    const record = JSON.parse(text);
    if (typeof record[part] === "object" && record[part] !== null) return record;
  } catch {
    // It is told below, as any other text that is no such record.
  }
  throw new ConfigError(
    "deployment.incompatible",
    `what was last deployed cannot be read: the text in '${key}' is no record of it`,
    {
      hint: `Put the text back as it was; or, where this code is what was deployed, remove it: redis-cli DEL ${shellWord(key)}`,
    },
  );
}

const firstOf = (stream: AppPlan["streams"][number]): Partition => nth(partitionsOf(stream), 0);
