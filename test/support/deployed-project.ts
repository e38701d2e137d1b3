import { headrace } from "./headrace.ts";
import { makeProject, type Project } from "./project.ts";
import { clickhouseDatabase, redisUrl } from "./services.ts";

/** A project with this `pipelines/index.ts`, and its tables in a database of its own. `more` is added to its environment. */
export async function deployProject(
  pipelines: string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly project: Project; readonly env: Record<string, string> }> {
  const project = await makeProject({ "pipelines/index.ts": pipelines });
  const { url, database } = await clickhouseDatabase();
  const env = { REDIS_URL: await redisUrl(), CLICKHOUSE_URL: url, CLICKHOUSE_DATABASE: database, ...more };
  await headrace(["migrate", "--apply"], { env, cwd: project.path });
  return { project, env };
}
