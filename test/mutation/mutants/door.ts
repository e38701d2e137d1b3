import type { Check, Mutant } from "../mutant.ts";

const door: Check = { kind: "tests", files: ["test/unit/collector/door.test.ts"] };
const served: Check = { kind: "tests", files: ["test/unit/collector/serve.test.ts"] };
const split: Check = { kind: "tests", files: ["test/unit/collector/split.test.ts"] };
const serve = "src/collector/serve.ts";
const body = "src/collector/read-body.ts";
const pressure = "src/collector/pressure.ts";
const breaker: Check = { kind: "tests", files: ["test/unit/collector/pressure.test.ts"] };

/** What a collector takes, and what it answers. */
export const theDoor: readonly Mutant[] = [
  {
    name: "door-offers-behind-a-retry",
    breaks: "an event overtakes the one of its key that had no room",
    file: "src/collector/door.ts",
    find: "const outcome = reason ?? (",
    replace: "const outcome = (",
    by: door,
  },
  {
    name: "door-says-stored-at-once",
    breaks: "an event is answered as stored that Redis has not confirmed",
    file: "src/collector/door.ts",
    find: "const entry = await stored;",
    replace: "const entry = undefined;",
    by: door,
  },
  {
    name: "door-without-a-limit-of-an-event",
    breaks: "an event that is larger than its stream takes is stored",
    file: "src/collector/door.ts",
    find: "open(bytes, maxEventBytes)",
    replace: "open(bytes, 2 ** 30)",
    by: door,
  },
  {
    name: "door-takes-any-cloudevent",
    breaks: "a CloudEvent without a source is taken, and is the same as another one's",
    file: "src/collector/cloud-events.ts",
    find: "if (lacking) return",
    replace: "if (false as boolean && lacking) return",
    by: door,
  },
  {
    name: "door-splits-on-any-bracket",
    breaks: "an array that a brace closes counts as one that ends",
    file: "src/collector/split.ts",
    find: "char !== closeBracket || ",
    replace: "",
    by: split,
  },
  {
    name: "door-inflates-without-end",
    breaks: "a small body fills the memory of the collector once it is inflated",
    file: body,
    find: "for await (const piece of inflate) plain.add(piece as Buffer);",
    replace: "for await (const piece of inflate) if (limits.maxBytes > 1e9) plain.add(piece as Buffer);",
    by: served,
  },
  {
    name: "door-waits-for-a-body-without-end",
    breaks: "a client that sends nothing more holds its request open",
    file: body,
    find: "const timer = setTimeout(late, pieceMs);",
    replace: "const timer = setTimeout(late, 60 * pieceMs);",
    by: served,
  },
  {
    name: "door-answers-to-any-name",
    breaks: "a page sends through a name of its own that it points at this machine",
    file: serve,
    find: 'if (!isOwnHost(headers.host ?? "", hosts))',
    replace: "if (hosts.length > 1_000)",
    by: served,
  },
  {
    name: "door-open-to-every-page",
    breaks: "a page of any origin may send",
    file: serve,
    find: "if (!plan.origins.includes(origin))",
    replace: "if (plan.origins.length > 1_000)",
    by: served,
  },
  {
    name: "door-stops-under-requests",
    breaks: "a collector that stops closes before what is under way is answered",
    file: serve,
    find: "if (underWay === 0) resolve();",
    replace: "resolve();",
    by: served,
  },
  {
    name: "door-never-shut",
    breaks: "a collector reads every request while Redis is away",
    file: pressure,
    find: "if (now - this.#fullSince < shutAfterMs) {",
    replace: "if (now >= this.#fullSince) {",
    by: breaker,
  },
  {
    name: "door-opens-without-a-probe",
    breaks: "a collector that stores nothing takes its own silence for health",
    file: pressure,
    find: 'if (this.#state !== "shut" || !isStored) return;',
    replace: 'if (this.#state !== "shut") return;',
    by: breaker,
  },
  {
    name: "door-blind-to-failures",
    breaks: "a Redis that refuses at once looks fast",
    file: "src/collector/append-time.ts",
    find: "failingSince ??= call.since;",
    replace: "failingSince = undefined;",
    by: { kind: "tests", files: ["test/unit/collector/append-time.test.ts"] },
  },
  {
    name: "door-reads-before-it-refuses",
    breaks: "a body is read of which nothing will be stored",
    file: serve,
    find: 'if (verdict.kind === "refuse")',
    replace:
      'if (verdict.kind === "refuse" && (await readBody(raw, { encoding: undefined, length: undefined, limits: door.plan, hold: () => {} })))',
    by: served,
  },
];
