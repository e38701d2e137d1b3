// `npm run test:compose`: the tests that need services, against those of docker-compose.yml instead of the embedded ones.
// Needs Docker with its compose plugin. Containers and volumes are its own (project headrace-test) and are removed at the end.
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { repository } from "./lib/build.mjs";
import { show } from "./lib/tools.mjs";

if (docker(["info"], "ignore") !== 0 || docker(["compose", "version"], "ignore") !== 0) {
  process.stderr.write(
    "There is no Docker engine with the compose plugin here: `npm test` runs the same tests on the embedded services.\n",
  );
  process.exit(2);
}

const [redis, clickhouse, temporal] = [await freePort(), await freePort(), await freePort()];
const ports = { REDIS_PORT: redis, CLICKHOUSE_PORT: clickhouse, TEMPORAL_PORT: temporal };
try {
  compose(["up", "-d", "--wait", "redis", "clickhouse"]);
  compose(["up", "-d", "temporal"]);
  compose(["run", "--rm", "temporal-init"]);
  const { status } = show("vitest", ["run", "--project", "services", ...process.argv.slice(2)], {
    HEADRACE_TEST_SERVICES: "environment",
    REDIS_URL: `redis://127.0.0.1:${redis}`,
    CLICKHOUSE_URL: `http://127.0.0.1:${clickhouse}`,
    TEMPORAL_ADDRESS: `127.0.0.1:${temporal}`,
  });
  process.exitCode = status === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  docker(["compose", "-p", "headrace-test", "down", "--volumes"]);
}

function compose(args) {
  const status = docker(["compose", "-p", "headrace-test", ...args], "inherit", ports);
  if (status !== 0) throw new Error(`docker compose ${args.join(" ")} ended with ${status}`);
}

function docker(args, output = "inherit", env = {}) {
  const options = { cwd: repository, stdio: ["ignore", output, output], env: { ...process.env, ...env } };
  return spawnSync("docker", args, options).status;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
