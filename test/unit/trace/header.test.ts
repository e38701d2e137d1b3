import { defaultPayloadConverter, METADATA_ENCODING_KEY } from "@temporalio/common";
import { describe, expect, it } from "vitest";
import { traceHeader, traceHeaders, traceparentOf } from "../../../src/trace/header.ts";

const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
const headerOf = (value: unknown) => ({ [traceHeader]: defaultPayloadConverter.toPayload(value) });

describe("the header of a trace", () => {
  it("holds a traceparent as JSON, also one of a later version", () => {
    expect(traceHeaders(traceparent)).toEqual(headerOf({ traceparent }));
    for (const one of [traceparent, `${traceparent.replace("00", "01")}-more`])
      expect(traceparentOf(traceHeaders(one))).toBe(one);
  });

  it.each([undefined, "", "00-aa-bb-01", traceparent.toUpperCase(), `${traceparent}\n`, `${traceparent}-${"x".repeat(201)}`])(
    "is left out for what is none: %j",
    (none) => expect(traceHeaders(none)).toEqual({}),
  );

  it.each<[string, Parameters<typeof traceparentOf>[0]]>([
    ["no header", {}],
    ["an empty object", headerOf({})],
    ["null", headerOf(null)],
    ["a number in its place", headerOf({ traceparent: 1 })],
    ["no traceparent", headerOf({ traceparent: "00-aa-bb-01" })],
    ["an encoding that nobody knows", { [traceHeader]: { metadata: { [METADATA_ENCODING_KEY]: Buffer.from("x") }, data: null } }],
    ["half a JSON", { [traceHeader]: { ...headerOf({})[traceHeader], data: Buffer.from("{") } }],
  ])("of others is read, and tells nothing where it holds %s", (_, headers) => expect(traceparentOf(headers)).toBeUndefined());
});
