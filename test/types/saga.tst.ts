import { type Refusal, saga } from "headrace/saga";
import { describe, expect, test } from "tstyche";

interface Input {
  readonly id: string;
}

const nothing = async () => {};
const open = saga<Input>("order").step("stock", { do: async () => ({ reserved: 1 }), undo: nothing });
const committed = open.pivot("order", { do: async () => "number", undo: nothing });

describe("a saga", () => {
  test("hands on its input, the results of earlier steps and a key", () => {
    open.step("payment", {
      do: async ({ input, done, key }) => {
        expect(input).type.toBe<Input>();
        expect(done.stock).type.toBe<{ reserved: number }>();
        expect(key).type.toBe<string>();
        expect(done).type.not.toHaveProperty("payment");
        return { authorised: true };
      },
      undo: async ({ result }) => {
        expect(result).type.toBe<{ authorised: boolean } | undefined>();
      },
    });
  });

  test("returns a workflow of its input and result", () => {
    const workflow = committed
      .then("announce", async ({ done }) => done.order.length)
      .whenUndone(async ({ refusal }) => {
        expect(refusal).type.toBe<Refusal>();
      })
      .returns(({ done }) => ({ number: done.order, length: done.announce }));
    expect(workflow).type.toBe<(input: Input) => Promise<{ number: string; length: number }>>();
  });

  test("cannot be undone behind its pivot", () => {
    expect(committed).type.not.toHaveProperty("step");
    expect(committed).type.not.toHaveProperty("pivot");
    // @ts-expect-error 'do' does not exist in type '(context: StepContext<
    committed.then("late", { do: nothing, undo: nothing });
  });

  test("says before its pivot how each step is undone, and has a pivot before its end", () => {
    // @ts-expect-error Property 'undo' is missing in type
    open.step("payment", { do: nothing });
    expect(open).type.not.toHaveProperty("then");
    expect(open).type.not.toHaveProperty("returns");
  });

  test("has each name once", () => {
    // @ts-expect-error TypeHint<"The saga has a step 'stock' already">
    open.step("stock", { do: nothing, undo: nothing });
    // @ts-expect-error TypeHint<"The saga has a step 'stock' already">
    open.pivot("stock", { do: nothing, undo: nothing });
    // @ts-expect-error TypeHint<"The saga has a step 'order' already">
    committed.then("order", nothing);
  });
});
