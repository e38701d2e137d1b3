import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** As the verbs run: what the application throws is known to who runs it. */
const program = `
  import { loadModule } from "./dist/cli/load-app.js";
  import { Refusal } from "./dist/participant/index.js";
  const { createParticipants } = await loadModule(process.cwd() + "/activities/index.ts");
  const payments = createParticipants({}).find(({ name }) => name === "payments");
  const refusal = await payments.verbs.authorise.run({ key: "a", token: "tok_declined", cents: 1 }).catch((error) => error);
  console.log(refusal instanceof Refusal);`;

it("an application and the verb that runs it share one copy of the package", () => {
  const args = ["--input-type=module", "-e", program];
  expect(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" })).toBe("true\n");
});
