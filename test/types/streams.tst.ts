import { defineEvent, defineStream, type EventDraft, type EventOf, type PipelineBuilder, pipeline, type Stream } from "headrace";
import { describe, expect, test } from "tstyche";
import { z } from "zod";
import {
  alerts,
  attackSuspected,
  type Failed,
  type Login,
  loginFailed,
  loginSucceeded,
  logins,
  type Succeeded,
  source,
} from "./logins.ts";

describe("events and streams", () => {
  test("an event has the type of its schema, and its definition makes drafts", () => {
    expect<EventOf<typeof loginSucceeded>>().type.toBe<Succeeded>();
    expect(loginSucceeded({ userId: "u", ip: "i" })).type.toBe<EventDraft<"login.succeeded", { userId: string; ip: string }>>();
    expect(loginSucceeded).type.not.toBeCallableWith({ userId: "u" });
  });

  test("a stream carries the union of its events", () => {
    expect(logins).type.toBeAssignableTo<Stream<Login>>();
    expect(source).type.toBe<PipelineBuilder<Login>>();
  });

  test("several streams are read as one", () => {
    expect(pipeline("both").from<Login | EventOf<typeof attackSuspected>>(logins, alerts)).type.toBe<
      PipelineBuilder<Login | EventOf<typeof attackSuspected>>
    >();
  });

  test("the key is a function of the data", () => {
    // @ts-expect-error Property 'usrId' does not exist
    defineEvent("login.tried", z.object({ userId: z.string() }), { key: (data) => data.usrId });
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    defineEvent("login.tried", z.object({ tries: z.number() }), { key: (data) => data.tries });
  });
});

describe("an adopted stream", () => {
  test("is read from a field, or by a function that returns a draft of one of its events", () => {
    expect(defineStream("a", { events: [loginFailed], adopt: { key: "k", field: "body" } })).type.toBe<Stream<Failed>>();
    const read = defineStream("a", {
      events: [loginSucceeded, loginFailed],
      adopt: {
        key: "k",
        read: (fields, id) => {
          expect(fields).type.toBe<Readonly<Record<string, string>>>();
          expect(id).type.toBe<string>();
          return { ...loginFailed({ userId: fields["user"] ?? "" }), id: "1", source: "/web" };
        },
      },
    });
    expect(read).type.toBe<Stream<Login>>();
  });

  test("takes no function that returns another event, or data of another form", () => {
    const stray = () => attackSuspected({ userId: "ada", failures: 5 });
    expect(defineStream).type.not.toBeCallableWith("a", { events: [loginFailed], adopt: { key: "k", read: stray } });
    const misfit = () => ({ type: "login.failed" as const, data: { userId: 7 } });
    expect(defineStream).type.not.toBeCallableWith("a", { events: [loginFailed], adopt: { key: "k", read: misfit } });
  });
});

describe("the schema of an event", () => {
  class Money {
    readonly cents = 1;
    plus(): number {
      return this.cents;
    }
  }

  test("takes what JSON can hold, with checks and defaults", () => {
    const tree: z.ZodType<Tree> = z.object({
      get children() {
        return z.array(tree);
      },
    });
    expect(defineEvent).type.toBeCallableWith("a.b", tree);
    expect(defineEvent).type.toBeCallableWith("a.b", z.object({ at: z.iso.datetime(), more: z.record(z.string(), z.unknown()) }));
    expect(defineEvent).type.toBeCallableWith(
      "a.b",
      z.object({ n: z.number().default(1), s: z.string().optional(), a: z.array(z.enum(["x"])) }),
    );
    expect(defineEvent).type.toBeCallableWith("a.b", z.object({ s: z.string().transform((text) => text.trim()) }));
  });

  test("takes nothing that JSON cannot hold, and makes no other type of it", () => {
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ at: z.date() }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ list: z.array(z.object({ n: z.bigint().optional() })) }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ m: z.map(z.string(), z.number()) }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ m: z.instanceof(Money) }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ at: z.string().transform((text) => new Date(text)) }));
  });
});

interface Tree {
  readonly children: readonly Tree[];
}
