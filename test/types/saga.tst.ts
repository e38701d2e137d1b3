import { type Saga, type SagaRefusal, saga } from "headrace/saga";
import { describe, expect, test } from "tstyche";

interface Input {
  readonly id: string;
}
interface Activities {
  reserve(key: string): Promise<{ reserved: number }>;
}

const nothing = async () => {};
const open = saga<Input, Activities>("order").step("stock", { do: ({ key, call }) => call.reserve(key), undo: nothing });
const committed = open.pivot("order", { do: async () => "number", undo: nothing });

describe("a saga", () => {
  test("hands on its input, the results of earlier steps, its activities and a key", () => {
    open.step("payment", {
      do: async ({ input, done, key, keyOf, call }) => {
        expect(input).type.toBe<Input>();
        expect(done.stock).type.toBe<{ reserved: number }>();
        expect(key).type.toBe<string>();
        expect(keyOf).type.toBe<(step: "stock") => string>();
        expect(call).type.toBe<Activities>();
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
        expect(refusal).type.toBe<SagaRefusal>();
      })
      .returns(({ done }) => ({ number: done.order, length: done.announce }));
    expect(workflow).type.toBe<Saga<Input, { number: string; length: number }, Activities>>();
    expect(workflow).type.toBeAssignableTo<(input: Input) => Promise<{ number: string; length: number }>>();
  });

  test("may leave a step out: its result is undefined then", () => {
    open
      .guarded("gift", ({ input, done }) => input.id === "" && done.stock.reserved > 0, { do: async () => 1, undo: nothing })
      .pivot("order", {
        do: async ({ done }) => {
          expect(done.gift).type.toBe<number | undefined>();
        },
        undo: nothing,
      })
      .guarded(
        "letter",
        ({ input }) => input.id === "",
        async () => "sent",
      )
      .returns(({ done }) => {
        expect(done.letter).type.toBe<string | undefined>();
      });
  });

  test("reads without saying how to undo", () => {
    open
      .read("quote", async ({ done }) => done.stock.reserved)
      .pivot("order", {
        do: async ({ done }) => {
          expect(done.quote).type.toBe<number>();
        },
        undo: nothing,
      });
  });

  test("runs steps side by side, each with its own result", () => {
    open
      .parallel((side) =>
        side
          .step("payment", {
            do: async ({ done }) => done.stock.reserved > 0,
            undo: async ({ result, done }) => {
              expect(result).type.toBe<boolean | undefined>();
              expect(done).type.not.toHaveProperty("parcel");
            },
          })
          .step("parcel", { do: async () => "label", undo: nothing }),
      )
      .pivot("order", {
        do: async ({ done }) => {
          expect(done.payment).type.toBe<boolean>();
          expect(done.parcel).type.toBe<string>();
        },
        undo: nothing,
      });
    // @ts-expect-error The saga has a step 'stock' already
    open.parallel((side) => side.step("stock", { do: nothing, undo: nothing }));
    // @ts-expect-error The saga has a step 'payment' already
    open.parallel((side) => side.step("payment", { do: nothing, undo: nothing }).step("payment", { do: nothing, undo: nothing }));
    // @ts-expect-error Property 'undo' is missing in type
    open.parallel((side) => side.step("payment", { do: nothing }));
  });

  test("cannot be undone behind its pivot, nor be bounded there", () => {
    expect(committed).type.not.toHaveProperty("step");
    expect(committed).type.not.toHaveProperty("pivot");
    expect(committed).type.not.toHaveProperty("read");
    expect(committed).type.not.toHaveProperty("parallel");
    // @ts-expect-error 'do' does not exist in type 'RunStep<
    committed.then("late", { do: nothing, undo: nothing });
    // @ts-expect-error 'scheduleToCloseTimeout' does not exist in type 'EndlessCalls'
    committed.then("late", nothing, { scheduleToCloseTimeout: "1m" });
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
    open.read("stock", nothing);
    // @ts-expect-error TypeHint<"The saga has a step 'stock' already">
    open.pivot("stock", { do: nothing, undo: nothing });
    // @ts-expect-error TypeHint<"The saga has a step 'order' already">
    committed.then("order", nothing);
  });
});
