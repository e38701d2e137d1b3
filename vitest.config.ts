import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * What takes longest begins first, so that nothing is left to run alone in the end: `npm test` names the slowest files. Those of a project
 * stand together, since a process runs files of one. Within each of these vitest goes by the last run on this machine, or by size.
 */
const first = [
  /^test\/chaos\//,
  /^test\/services\/(archive|archive-matrix|doctor|redis-cluster|saga-workers|service-away|sagas\/saga|stack\/up)\.test/,
  /^test\/(services|contract)\//,
  /^test\/unit\/tooling\//,
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = first.findIndex((path) => path.test(relative(source("."), moduleId)));
      return place < 0 ? first.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  resolve: {
    // Tests run from source. Anchored, so that "headrace" does not swallow its own sub-paths.
    alias: [
      { find: /^headrace$/, replacement: source("src/index.ts") },
      { find: /^headrace\/saga$/, replacement: source("src/saga/index.ts") },
      { find: /^headrace\/participant$/, replacement: source("src/participant/index.ts") },
      { find: /^headrace\/plan$/, replacement: source("src/plan/index.ts") },
      { find: /^headrace\/host$/, replacement: source("src/host/index.ts") },
      { find: /^headrace\/archive$/, replacement: source("src/archive/index.ts") },
      { find: /^headrace\/archive\/workflows$/, replacement: source("src/archive/workflows/index.ts") },
      { find: /^headrace\/testing$/, replacement: source("src/testing/index.ts") },
    ],
  },
  test: {
    pool: "forks",
    // A process runs many files, and loads the sources and Temporal's native core once. They leave nothing behind.
    isolate: false,
    // More than there are cores: a good part of the files waits most of the time, for leases and for services.
    maxWorkers: 3,
    // Tests that run side by side within a file.
    maxConcurrency: 3,
    sequence: { sequencer: LongestFirst },
    allowOnly: false,
    // What no import leads to: after a change of it, `npm test -- --changed` runs everything.
    forceRerunTriggers: [...configDefaults.forceRerunTriggers, "**/*.lua", "**/*.mjs", "**/bin/*", "**/package-lock.json"],
    restoreMocks: true,
    unstubEnvs: true,
    projects: [
      {
        extends: true,
        test: {
          // Services of its own, which it kills.
          name: "chaos",
          include: ["test/chaos/*.test.ts"],
          // A limit of each fault is the suite's own, and longer on a busy machine.
          testTimeout: 3_600_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/{unit,types,guide}/**/*.test.ts"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "services",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{unit,types,guide,chaos}/**"],
          // Starts the embedded Redis, ClickHouse and Temporal once, and only when a file of this project runs.
          globalSetup: ["test/support/stack.ts"],
          setupFiles: ["test/support/each-file.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          teardownTimeout: 40_000,
        },
      },
    ],
  },
});
