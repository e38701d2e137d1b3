// Who may import whom: "data flows left to right, imports point left". What a room may import is listed here, and nothing else may be.
// Rooms of src/ and what each may import of ours, beside itself. An entry ending in .ts names that one file.
const rooms = {
  "core": [],
  "plan": ["core"],
  "dsl": ["plan", "core"],
  "telemetry": ["core"],
  "trace": [],
  "stages": ["plan", "core", "telemetry"],
  "redis": ["core"],
  "bus": ["plan", "core", "redis"],
  "state": ["plan", "core", "bus"],
  "limit": ["plan", "core", "redis", "telemetry"],
  "sinks": ["plan", "core", "telemetry", "trace"],
  "engine": ["stages", "plan", "core", "bus", "state", "limit", "sinks", "telemetry", "registry/port.ts"],
  "registry": ["plan", "core", "bus", "redis"],
  "participant": ["core", "registry/port.ts"],
  "collector": ["plan", "core", "bus", "stages", "limit"],
  "codec": ["core"],
  "rollup": ["plan", "core", "redis", "sinks", "registry", "telemetry"],
  "archive": ["plan", "core", "saga"],
  "host": [
    "dsl",
    "engine",
    "plan",
    "core",
    "redis",
    "bus",
    "state",
    "limit",
    "sinks",
    "registry",
    "participant",
    "collector",
    "rollup",
    "archive",
    "telemetry",
    "trace",
  ],
  "stack": ["core"],
  "testing": [
    "dsl",
    "engine",
    "stages",
    "plan",
    "core",
    "bus",
    "state",
    "limit",
    "sinks",
    "telemetry",
    "trace",
    "participant",
    "archive",
  ],
};

// The rooms of the engine, in the order in which a batch goes through them, and what each may import of the others.
const engineRooms = { "assign": [], "read": [], "process": ["read"], "commit": ["read", "process"] };

// What a room may know of another as types alone: a type ties nothing together when the program runs.
const types = {
  "stages": ["bus"],
  "state": ["stages"],
  "testing": ["host", "saga"],
};

/** Drivers open connections: they are joined in the composition roots (host/, cli/ for its verbs, and openProducer for other programs), and imported nowhere else. */
const drivers = ["redis", "bus/redis", "limit/redis", "registry/redis", "rollup/redis", "sinks/clickhouse", "sinks/temporal"];

/** What runs inside Temporal's workflow sandbox. */
const sandbox = ["^src/saga/", "^src/archive/workflows/", "^src/trace/(header|workflow)\\.ts$"];
/** What the streams carry and what is kept: declarations, which pipelines and activities share. */
const catalogue = "^pipelines/(events|streams)\\.ts$";
/** What programs may import of the package, beside `headrace/saga`, which is for workflows. */
const doors = ["^src/index\\.ts$", "^src/participant/index\\.ts$", "^src/host/index\\.ts$", "^src/archive/index\\.ts$"];

const ours = "^(src|pipelines|workflows|activities)/";
const paths = (names) => names.map((name) => (name.endsWith(".ts") ? `^src/${name.replaceAll(".", "\\.")}$` : `^src/${name}/`));

const forbid = (name, comment, from, to) => ({ name, severity: "error", comment, from, to });

export default {
  forbidden: [
    forbid(
      "no-cycles",
      "Modules that import each other in a circle cannot be understood or tested alone.",
      {},
      { circular: true },
    ),
    forbid("no-unresolved", "An import that resolves to nothing fails when it is run.", {}, { couldNotResolve: true }),
    forbid(
      "no-dev-packages",
      "What is shipped may not import what a user of the package does not get.",
      { path: "^(src|pipelines|workflows|activities)/" },
      { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only", "npm-peer"] },
    ),
    ...Object.entries(rooms).map(([room, allowed]) =>
      forbid(
        `${room}-imports`,
        `src/${room} may import ${allowed.length === 0 ? "nothing of ours" : `only ${allowed.join(", ")}`}.`,
        { path: `^src/${room}/` },
        { path: ours, pathNot: paths([room, ...allowed, ...(types[room] ?? [])]) },
      ),
    ),
    ...Object.entries(engineRooms).map(([room, allowed]) =>
      forbid(
        `engine-${room}-imports`,
        `src/engine/${room} may import of the engine ${allowed.length === 0 ? "nothing else" : `only ${allowed.join(", ")}`}.`,
        { path: `^src/engine/${room}/` },
        { path: "^src/engine/", pathNot: [room, ...allowed].map((name) => `^src/engine/${name}/`) },
      ),
    ),
    ...Object.entries(types).map(([room, known]) =>
      forbid(
        `${room}-imports-types`,
        `src/${room} may import of ${known.join(", ")} only types: write \`import type\`.`,
        { path: `^src/${room}/` },
        { path: paths(known), dependencyTypesNot: ["type-only"] },
      ),
    ),
    forbid(
      "drivers-are-joined-in-host",
      "A driver opens connections; the engine knows ports.",
      { path: ours, pathNot: [...paths(drivers), "^src/(host|cli)/", "^src/open-producer\\.ts$"] },
      { path: paths(drivers) },
    ),
    ...drivers.map((driver) =>
      forbid(
        `${driver.replace("/", "-")}-stands-alone`,
        `src/${driver} knows its port and the plan, and no other driver; those of Redis share the connections of src/redis.`,
        { path: `^src/${driver}/` },
        { path: paths(drivers.filter((other) => other !== driver && other !== "redis")) },
      ),
    ),
    forbid(
      "public-door",
      "src/index.ts is what pipelines and producers are written with: declarations, no drivers, no engine.",
      { path: "^src/index\\.ts$" },
      { path: ours, pathNot: paths(["dsl", "plan", "core", "open-producer.ts"]) },
    ),
    forbid("nobody-imports-cli", "cli/ is the outermost room.", { path: ours, pathNot: "^src/cli/" }, { path: "^src/cli/" }),
    forbid(
      "sandbox-imports-types",
      "src/saga, the archive's workflows and a part of src/trace run inside Temporal's workflow sandbox: of ours they import types alone, and each other.",
      { path: sandbox },
      { path: ours, pathNot: sandbox, dependencyTypesNot: ["type-only"] },
    ),
    forbid(
      "pipelines-imports",
      "A pipeline file imports headrace, its siblings, and workflows, its own or the archive's (the function and its input type).",
      { path: "^pipelines/" },
      { path: ours, pathNot: ["^pipelines/", "^workflows/", "^src/index\\.ts$", "^src/archive/workflows/index\\.ts$"] },
    ),
    forbid(
      "workflows-imports",
      "A workflow is deterministic: it imports the saga builder and its siblings; activities and headrace as types alone.",
      { path: "^workflows/" },
      { path: ours, pathNot: ["^workflows/", ...sandbox], dependencyTypesNot: ["type-only"] },
    ),
    forbid(
      "activities-imports",
      "An activity imports its siblings, the catalogue (pipelines/events.ts and streams.ts) and headrace's public doors.",
      { path: "^activities/" },
      { path: ours, pathNot: ["^activities/", catalogue, ...doors] },
    ),
    forbid(
      "activities-imports-types",
      "An activity is run by the host: of headrace/host it knows types alone.",
      { path: "^activities/" },
      { path: "^src/host/index\\.ts$", dependencyTypesNot: ["type-only"] },
    ),
    forbid(
      "catalogue-declares",
      "The catalogue is what activities may know of the pipelines: declarations, and of the other files types alone.",
      { path: catalogue },
      { path: ours, pathNot: [catalogue, "^src/index\\.ts$"], dependencyTypesNot: ["type-only"] },
    ),
    forbid(
      "sandbox-has-no-node",
      "Neither Node's modules nor clients exist in the workflow sandbox; the bundle would fail or lose determinism.",
      { path: [...sandbox, "^workflows/"] },
      {
        dependencyTypes: ["core", "npm", "npm-dev", "npm-optional"],
        dependencyTypesNot: ["type-only"],
        pathNot: ["node_modules/(@temporalio/(workflow|common)|ts-pattern)/"],
      },
    ),
    forbid(
      "pipelines-open-nothing",
      "Importing a pipeline opens nothing: no clients, no I/O.",
      { path: "^pipelines/" },
      {
        dependencyTypes: ["core", "npm", "npm-dev", "npm-optional"],
        dependencyTypesNot: ["type-only"],
        pathNot: ["node_modules/(zod|ts-pattern|@standard-schema/spec)/", "^(node:)?(url|path)$"],
      },
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|test|bench|scripts)/" },
    // "specify" tells type-only imports apart, instead of leaving them out.
    tsPreCompilationDeps: "specify",
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["types", "import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".d.ts", ".json"],
    },
  },
};
