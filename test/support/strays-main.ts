/** A process with two children of its own, which would live on for long: prints their pids, and is killed by its test. */
import { spawn } from "node:child_process";
import { afterUs, endWithUs } from "./after-us.ts";

const [mark = ""] = process.argv.slice(2);
const tied = endWithUs(spawn(process.execPath, ["-e", "setTimeout(() => {}, 600_000)"], { stdio: "ignore", detached: true }));
const ended = endWithUs(spawn(process.execPath, ["-e", ""], { stdio: "ignore" }));
ended.once("exit", () => {
  afterUs('echo called > "$1"', mark);
  const callOff = afterUs('echo called off > "$1"', `${mark}.off`);
  callOff();
  process.stdout.write(`${tied.pid}\n`);
});
