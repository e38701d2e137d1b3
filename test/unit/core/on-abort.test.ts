import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { linkAbort } from "../../../src/core/linked-abort.ts";
import { onAbort } from "../../../src/core/on-abort.ts";

describe("those who listen for the end of a signal", () => {
  it("share one listener of it, hear it once, and leave none behind", () => {
    const { signal } = new AbortController();
    const leave = Array.from({ length: 5_000 }, () => onAbort(signal, () => {}));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    for (const one of leave) one();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("hear it in their order, but for those who have left, also while it is told", () => {
    const ending = new AbortController();
    const heard: string[] = [];
    onAbort(ending.signal, () => {
      heard.push("first");
      leaveLast();
    });
    const leaveSecond = onAbort(ending.signal, () => heard.push("second"));
    onAbort(ending.signal, () => heard.push("third"));
    const leaveLast = onAbort(ending.signal, () => heard.push("last"));
    leaveSecond();
    ending.abort();
    expect(heard).toEqual(["first", "third"]);
  });

  it("are called for each time that they listen: a function that listens twice is called twice, and leaves twice", () => {
    const ending = new AbortController();
    let heard = 0;
    const listen = () => onAbort(ending.signal, () => heard++);
    const [leave] = [listen(), listen()];
    leave();
    leave();
    ending.abort();
    expect(heard).toBe(1);
  });

  it("hear the reason through a link, and nothing once it is let go of", () => {
    const [long, other] = [new AbortController(), new AbortController()];
    const linked = linkAbort(long.signal, undefined, other.signal);
    const gone = linkAbort(long.signal);
    gone.unlink();
    long.abort("over");
    expect([linked.signal.reason, gone.signal.aborted]).toEqual(["over", false]);
    linked.unlink();
    expect(getEventListeners(other.signal, "abort")).toHaveLength(0);
    expect(linkAbort(long.signal).signal.aborted).toBe(true);
  });
});
