import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock.mjs";

const stampPath = "node_modules/.headrace-lock";
const progressEveryMs = 5_000;
const linesOfNpm = 15;

/** Raised with one sentence for the person, and the last lines of npm. */
class InstallError extends Error {
  name = "InstallError";
}

/** Installs what package-lock.json names when node_modules is missing or differs from it. True when it installed. */
export async function ensureInstalled({ root, say }) {
  if (isStamped(root)) return false;
  return withLock(join(root, ".install.lock"), async () => {
    if (isStamped(root)) return false;
    const missing = missingPackages(root);
    if (missing.length === 0) {
      stamp(root);
      return false;
    }
    await install(root, missing, say);
    for (const name of missingPackages(root)) {
      say(`${name} is optional and could not be installed on this machine: what needs it will say so`);
    }
    stamp(root);
    return true;
  });
}

async function install(root, missing, say) {
  const total = Object.keys(lockedPackages(root)).length;
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1_000);
  say(
    existsSync(join(root, "node_modules"))
      ? `package-lock.json has ${missing.length} package(s) that node_modules lacks: installing all ${total} again`
      : `installing ${total} packages with npm; the embedded ClickHouse is the large one, so the first time takes a minute or two`,
  );
  const progress = setInterval(
    () => say(`still installing: ${unpackedCount(root)} of ${total} packages, ${seconds()} s`),
    progressEveryMs,
  );
  try {
    // No package needs its scripts: npm before 11 does not know `allowScripts` of package.json, and would run them all.
    const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
    const { status, output } = await npm(root, args);
    if (status !== 0) {
      const [reason] = output.split(/^npm error (?:Clean install|Usage)/m);
      const said = reason.trimEnd().split("\n").slice(-linesOfNpm).join("\n");
      throw new InstallError(
        `npm could not install the packages (exit ${status}): see that the registry answers (npm ping) and that the disk has 2 GB free, then run the command again. npm's last lines:\n${said}`,
      );
    }
  } finally {
    clearInterval(progress);
  }
  say(`installed in ${seconds()} s`);
}

function npm(root, args) {
  // npm tells its scripts where it is; a plain `node scripts/setup.mjs` finds it on PATH.
  const path = process.env.npm_execpath;
  const own = path !== undefined && /npm-cli\.[cm]?js$/.test(path) && existsSync(path);
  const windows = process.platform === "win32";
  const [command, first] = own ? [process.execPath, [path]] : ["npm", []];
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"], shell: windows && !own });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.on("error", (error) => {
      const missing = error.code === "ENOENT";
      reject(
        new InstallError(
          missing ? "npm is not on the PATH: install it (it comes with Node), and run the command again." : error.message,
        ),
      );
    });
    child.on("close", (code, signal) => resolve({ status: code ?? signal, output }));
  });
}

/**
 * The packages that this machine must have. Of the optional ones: what package.json names itself, and what says that it is made for
 * this platform; the rest belongs to other platforms, or to WebAssembly stand-ins that npm leaves out.
 */
function lockedPackages(root) {
  const { packages } = readJson(join(root, "package-lock.json"));
  const own = Object.keys(packages[""].optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
  const wanted = ([path, entry]) => path !== "" && (!entry.optional || own.includes(path) || fitsThisMachine(entry));
  return Object.fromEntries(Object.entries(packages).filter(wanted));
}

/** Packages of the lockfile that node_modules lacks or has in another version. npm's own record of the tree tells. */
function missingPackages(root) {
  const record = join(root, "node_modules/.package-lock.json");
  const installed = existsSync(record) ? readJson(record).packages : {};
  return Object.entries(lockedPackages(root))
    .filter(([path, entry]) => installed[path]?.version !== entry.version || !existsSync(join(root, path, "package.json")))
    .map(([path, entry]) => `${path.replace(/^.*node_modules\//, "")}@${entry.version}`);
}

function fitsThisMachine({ os, cpu, libc }) {
  if (!os?.includes(process.platform) || !cpu?.includes(process.arch)) return false;
  return libc === undefined || libc.includes(libcOfThisMachine());
}

let libc;
function libcOfThisMachine() {
  libc ??= process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
  return libc;
}

function unpackedCount(root) {
  const folder = join(root, "node_modules");
  if (!existsSync(folder)) return 0;
  return readdirSync(folder).reduce(
    (sum, name) => sum + (name.startsWith("@") ? readdirSync(join(folder, name)).length : name.startsWith(".") ? 0 : 1),
    0,
  );
}

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

const lockHash = (root) =>
  createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");

const isStamped = (root) => existsSync(join(root, stampPath)) && readFileSync(join(root, stampPath), "utf8") === lockHash(root);

const stamp = (root) => writeFileSync(join(root, stampPath), lockHash(root));
