import { describe, expect, it } from "vitest";
import { parseFaults, withFaults } from "../../../src/participant/faults.ts";

describe("faults of participants", () => {
  it("are read from the command line", () => {
    expect(parseFaults("")).toEqual([]);
    expect(parseFaults("payments.authorise:decline=0.2, stock:lose-reply")).toEqual([
      { participant: "payments", verb: "authorise", kind: "decline", share: 0.2 },
      { participant: "stock", kind: "lose-reply", share: 1 },
    ]);
  });

  it.each([
    ["payments", "'payments' is no fault"],
    ["payments:explode", "'payments:explode' is no fault"],
    ["payments.void:slow=1.5", "is no fault"],
    ["payments:decline=0.2", "would decline undos too"],
  ])("'%s' is refused", (text, says) => {
    expect(() => parseFaults(text)).toThrow(says);
  });

  it("strike in their share of the calls", async () => {
    let done = 0;
    const call = (random: number, text: string) =>
      withFaults(
        parseFaults(text),
        async () => void done++,
        () => random,
      );
    await expect(call(0.1, "a.b:decline=0.2")).rejects.toMatchObject({ type: "Declined" });
    expect(done).toBe(0);
    await call(0.3, "a.b:decline=0.2");
    expect(done).toBe(1);
    await expect(call(0.1, "a:lose-reply=0.2")).rejects.toMatchObject({ name: "ReplyLost" });
    expect(done).toBe(2);
  });
});
