import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { type MiniRepository, miniRepository, run } from "../../support/mini-repository.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

describe("the set-up of a fresh clone", { timeout: 120_000 }, () => {
  let repository: MiniRepository;

  beforeEach(async () => {
    repository = await miniRepository({ "src/index.ts": "export const one = 1;\n" });
    // Its own, empty: what is missing must be installed, and this repository's packages must stay as they are.
    await rm(join(repository.path, "node_modules"));
    return () => repository.remove();
  });

  /** A stand-in for npm on the PATH: these tests are about what is asked of it and what is made of its answer. */
  async function setup(npm: string) {
    const bin = join(repository.path, "path");
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, "npm"), `#!/usr/bin/env node\n${npm}`);
    await chmod(join(bin, "npm"), 0o755);
    return run(process.execPath, ["scripts/setup.mjs"], { cwd: repository.path, env: { PATH: `${bin}:${process.env.PATH}` } });
  }

  const installs = (answer = "") => `
    import { appendFileSync, symlinkSync } from "node:fs";
    appendFileSync("asked", process.argv.slice(2).join(" ") + "\\n");
    ${answer}
    symlinkSync(${JSON.stringify(join(root, "node_modules"))}, "node_modules");`;

  test("asks npm for exactly the lockfile, development and optional packages included, and says so on stderr", async () => {
    // node_modules is shared by the link; the stamp that setup leaves in it is the one this repository would have.
    const { code, stdout, stderr } = await setup(installs());
    expect(stderr).toMatch(/installing \d+ packages with npm/);
    expect(stdout).toBe("");
    expect(code).toBe(0);
    expect(await readFile(join(repository.path, "asked"), "utf8")).toBe(
      "ci --ignore-scripts --include=dev --include=optional --no-audit --no-fund\n",
    );
    expect(await readFile(join(repository.path, "dist/index.js"), "utf8")).toContain("one = 1");
  });

  test("does nothing the second time", async () => {
    await setup(installs());
    const again = await setup("process.exit(9);");
    expect(again).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("installs once when two start together", async () => {
    await Promise.all([setup(installs()), setup(installs())]);
    expect((await readFile(join(repository.path, "asked"), "utf8")).trim().split("\n")).toHaveLength(1);
  });

  test("says one sentence with the way out, and npm's reason, when npm fails", async () => {
    const { code, stderr } = await setup(
      'console.error("npm error code ECONNREFUSED\\nnpm error network is down"); process.exit(1);',
    );
    expect(code).toBe(1);
    expect(stderr).toContain("npm could not install the packages (exit 1): see that the registry answers (npm ping)");
    expect(stderr.trimEnd().endsWith("npm error code ECONNREFUSED\nnpm error network is down")).toBe(true);
  });

  test("says what is missing when there is no npm", async () => {
    const { code, stderr } = await run(process.execPath, ["scripts/setup.mjs"], {
      cwd: repository.path,
      env: { PATH: "/nowhere" },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("npm is not on the PATH: install it (it comes with Node), and run the command again.");
  });
});

describe("an old Node", () => {
  const sentence = async (version: string) => {
    const code = `import("./scripts/lib/node-version.mjs").then((m) => process.stdout.write(m.nodeTooOld("${version}") ?? "fine"));`;
    return (await run(process.execPath, ["-e", code], { cwd: root })).stdout;
  };

  test.each(["20.19.0", "20.20.2", "22.0.0", "24.1.0"])("%s is new enough", async (version) => {
    expect(await sentence(version)).toBe("fine");
  });

  test.each(["18.20.4", "20.18.3"])("%s is refused with a sentence", async (version) => {
    expect(await sentence(version)).toBe(
      `Headrace needs Node 20.19 or newer, and this is Node ${version}: install a newer one (22 or 24 are recommended) and run the command again.`,
    );
  });

  test("is refused by bin/headrace.js too, before it loads anything", async () => {
    const pretend = 'Object.defineProperty(process.versions, "node", { value: "18.20.4" });';
    const loader = `data:text/javascript,${encodeURIComponent(pretend)}`;
    const { code, stderr } = await run(process.execPath, ["--import", loader, "bin/headrace.js", "ps"], { cwd: root });
    expect(stderr).toContain("Headrace needs Node 20.19 or newer, and this is Node 18.20.4");
    expect(code).toBe(1);
  });
});

describe("package-lock.json", () => {
  const read = async (name: string) => JSON.parse(await readFile(join(root, name), "utf8"));

  test("names no registry", async () => {
    const text = await readFile(join(root, "package-lock.json"), "utf8");
    expect(text).not.toContain('"resolved"');
  });

  test("has a hash for every package, but for chdb's programs of other platforms", async () => {
    const { packages } = await read("package-lock.json");
    const unhashed = Object.entries<{ integrity?: string }>(packages).filter(
      ([path, entry]) => path !== "" && entry.integrity === undefined,
    );
    expect(unhashed.map(([path]) => path)).toEqual([
      "node_modules/@chdb/lib-darwin-arm64",
      "node_modules/@chdb/lib-darwin-x64",
      "node_modules/@chdb/lib-linux-arm64-gnu",
    ]);
  });

  test("is in step with package.json, and names every platform of an optional program, or npm ci refuses it", async () => {
    const { packages } = await read("package-lock.json");
    const { dependencies, devDependencies, optionalDependencies } = await read("package.json");
    expect(packages[""]).toMatchObject({ dependencies, devDependencies, optionalDependencies });
    for (const platform of Object.keys(packages["node_modules/chdb"].optionalDependencies)) {
      expect(packages, `${platform} was dropped by an npm install on a machine that cannot see it`).toHaveProperty([
        `node_modules/${platform}`,
      ]);
    }
  });

  test("has exact versions only", async () => {
    const { dependencies, devDependencies, optionalDependencies } = await read("package.json");
    const versions = Object.values<string>({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(versions.filter((version) => !/^(npm:.+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
