import type { Check, Mutant } from "../mutant.ts";

const windows: Check = {
  kind: "tests",
  files: ["test/unit/windows/exact.test.ts", "test/unit/windows/keyed.test.ts", "test/guide/02-windows.test.ts"],
};
const joins: Check = { kind: "tests", files: ["test/unit/windows/join.test.ts"] };
const edges: Check = { kind: "tests", files: ["test/unit/windows/edges.test.ts"] };
const watermarks: Check = { kind: "tests", files: ["test/unit/windows/watermark.test.ts"] };

/** What a window holds, when it closes, and whom a join pairs. */
export const windowsAndJoin: readonly Mutant[] = [
  {
    name: "aligned-window-closes-early",
    breaks: "a window is handed on before its end, and the rest of its events make a second result",
    file: "src/stages/aligned-windows.ts",
    find: "start <= slice && start + sizeMs <= watermark; start",
    replace: "start <= slice && start + sizeMs <= watermark + sizeMs; start",
    by: windows,
  },
  {
    name: "hopping-window-misses-the-first",
    breaks: "the earliest of the windows that an event falls in does not have it",
    file: "src/stages/aligned-windows.ts",
    find: "startOf(slice - sizeMs, hopMs) + hopMs",
    replace: "startOf(slice - sizeMs, hopMs) + 2 * hopMs",
    by: windows,
  },
  {
    name: "sessions-do-not-merge",
    breaks: "an event between two sessions belongs to one, and they stay two",
    file: "src/stages/session-windows.ts",
    find: "[0] - gapMs <= time) until++;",
    replace: "[0] - gapMs <= time) break;",
    by: windows,
  },
  {
    name: "session-keeps-the-first-start",
    breaks: "a session that an older event extends tells the wrong beginning",
    file: "src/stages/session-windows.ts",
    find: "const start = Math.min(time, oldest?.[0] ?? time);",
    replace: "const start = oldest?.[0] ?? time;",
    by: windows,
  },
  {
    name: "join-pairs-from-one-side",
    breaks: "a pair is missing where the right side came first",
    file: "src/stages/join.ts",
    find: `const pairs = side === "left" ? state.right`,
    replace: `const pairs = side === "left" ? [] : side === "right" ? state.right`,
    by: windows,
  },
  {
    name: "join-takes-an-event-twice",
    breaks: "an event that is delivered twice makes its pairs twice",
    file: "src/stages/join.ts",
    find: "if (state[side].some(([, id]) => id === moment.id)) return outcomes.duplicate();",
    replace: "",
    by: joins,
  },
  {
    name: "aligned-window-late-at-the-edge",
    breaks: "an event is taken whose last window has just become final",
    file: "src/stages/aligned-windows.ts",
    find: "lastStart(slice) + sizeMs <= watermark",
    replace: "lastStart(slice) + sizeMs < watermark",
    by: edges,
  },
  {
    name: "session-late-at-the-edge",
    breaks: "an event at the very end of a gap is late",
    file: "src/stages/session-windows.ts",
    find: "time + gapMs < watermark)",
    replace: "time + gapMs <= watermark)",
    by: edges,
  },
  {
    name: "session-final-at-the-edge",
    breaks: "a session is final while an event at the end of its gap may still come",
    file: "src/stages/session-windows.ts",
    find: "last + gapMs >= watermark",
    replace: "last + gapMs > watermark",
    by: edges,
  },
  {
    name: "join-without-its-edges",
    breaks: "what lies exactly its reach apart makes no pair",
    file: "src/stages/join.ts",
    find: "apartMs < -beforeMs || apartMs > afterMs",
    replace: "apartMs <= -beforeMs || apartMs >= afterMs",
    by: edges,
  },
  {
    name: "join-late-at-the-edge",
    breaks: "a value that may still have a partner is late",
    file: "src/stages/join.ts",
    find: "+ reachMs[side] < watermark",
    replace: "+ reachMs[side] <= watermark",
    by: edges,
  },
  {
    name: "watermark-of-the-fastest",
    breaks: "the events of a slow producer are late though they came in order",
    file: "src/state/watermark.ts",
    find: "!this.#isSilent(heard) && time < least) least = time;",
    replace: "!this.#isSilent(heard) && !(time < least && least < Number.POSITIVE_INFINITY)) least = time;",
    by: watermarks,
  },
  {
    name: "watermark-goes-back",
    breaks: "a window that was handed on opens again",
    file: "src/state/watermark.ts",
    find: "if (least > this.#mark && least !==",
    replace: "if (least !==",
    by: watermarks,
  },
  {
    name: "watermark-of-a-clock-ahead",
    breaks: "a producer whose clock is a day ahead closes every window at once",
    file: "src/state/watermark.ts",
    find: "const counts = Math.min(time, storedAt);",
    replace: "const counts = time;",
    by: watermarks,
  },
  {
    name: "watermark-waits-for-the-dead",
    breaks: "no window closes any more once a producer has ended",
    file: "src/state/watermark.ts",
    find: "return heard <= this.#newest - this.#idleMs;",
    replace: "return false;",
    by: watermarks,
  },
];
