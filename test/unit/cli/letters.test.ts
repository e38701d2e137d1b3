import { describe, expect, it } from "vitest";
import { lettersCalled } from "../../../src/cli/dlq/letters.ts";
import { deadLetter } from "../../support/dead-letter.ts";

const letter = (partition: number, id: string, eventId: string) => deadLetter({ id, eventId }, partition);
const letters = [letter(0, "5-0", "e1"), letter(1, "5-0", "e2"), letter(1, "6-0", "e2"), letter(2, "7-0", "e3")];

/** Which letters are meant by `id`. */
async function meant(id: string): Promise<readonly string[]> {
  async function* found() {
    yield* letters;
  }
  return (await lettersCalled(id, found())).map(({ partition, letter }) => `${partition.name}:${letter.id}`);
}

describe("a dead letter's name", () => {
  it("is its id, its partition with its id, or the id of its event, which may have several", async () => {
    expect(await meant("7-0")).toEqual(["things/02:7-0"]);
    expect(await meant("things/01:5-0")).toEqual(["things/01:5-0"]);
    expect(await meant("e2")).toEqual(["things/01:5-0", "things/01:6-0"]);
  });

  it("has to say the partition where two have the same id, and has to be the name of one", async () => {
    await expect(meant("5-0")).rejects.toMatchObject({
      code: "usage",
      message: "there are 2 dead letters '5-0'",
      hint: "Name one with its partition: things/00:5-0, things/01:5-0.",
    });
    await expect(meant("9-9")).rejects.toMatchObject({ code: "usage", message: "there is no dead letter '9-9'" });
  });
});
