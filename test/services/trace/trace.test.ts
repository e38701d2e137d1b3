import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import type { DataConverter, Headers } from "@temporalio/common";
import type { BundleOptions } from "@temporalio/worker";
import { createSagaWorker, createWorker } from "headrace/host";
import { testApp } from "headrace/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encryptingCodec } from "../../../src/codec/payload-codec.ts";
import { parsePayloadKeys } from "../../../src/codec/payload-keys.ts";
import { bundleWorkflows } from "../../../src/host/bundle-workflows.ts";
import { openProducer } from "../../../src/open-producer.ts";
import { redisUrl, temporalAddress, unique } from "../../support/services.ts";
import { createActivities, openShop, type Traces, visit, visits } from "./shop.ts";
import { below } from "./spans.ts";
import * as workflows from "./workflows.ts";

const hows = ["start", "signal", "update"] as const;
type How = (typeof hows)[number];
const newTrace = () => `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
const tracesOf = () => ({ start: newTrace(), signal: newTrace(), update: newTrace() });
const patient = { timeout: 30_000, interval: 50 };

/** Each call goes on with the trace of the event that it was made for, as seen everywhere; the child with that of the start. */
function expectTraced(heard: ReadonlyMap<string, Traces>, guest: string, traces: Readonly<Record<How, string>>): void {
  const all = (trace: string): Traces => ({ seen: trace, asked: trace, announced: trace });
  const told = (what: string) => heard.get(`${guest} ${what}`);
  expect(Object.fromEntries([...hows, "step"].map((what) => [what, told(what)]))).toEqual({
    start: all(traces.start),
    signal: all(traces.signal),
    update: all(traces.update),
    step: all(traces.start),
  });
}

const workflowsPath = fileURLToPath(new URL("workflows.ts", import.meta.url));
const spansPath = fileURLToPath(new URL("spans.ts", import.meta.url));
/** A plugin of Temporal's SDK: its interceptors stand before ours. */
const spansFirst = {
  name: "spans",
  configureBundler: ({ workflowInterceptorModules = [], ...options }: BundleOptions): BundleOptions => ({
    ...options,
    workflowInterceptorModules: [spansPath, ...workflowInterceptorModules],
  }),
};

let code: string;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  ({ code } = await bundleWorkflows(workflowsPath));
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection });
}, 60_000);
afterAll(() => connection.close());
const stop = (workflowId: string) => client.workflow.getHandle(workflowId).terminate("its test is over");

const keys = parsePayloadKeys(`one:${randomBytes(32).toString("base64")}`);
const places: readonly [string, DataConverter | undefined][] = [
  ["", undefined],
  [", where payloads are encrypted", { payloadCodecs: [encryptingCodec(keys)] }],
];

describe("a trace", () => {
  it.each(places)(
    "goes from its producer into workflows, their steps, and what their activities announce%s",
    async (_, dataConverter) => {
      const [guest, taskQueue, traces] = [unique("guest-"), unique("stays-"), tracesOf()];
      const { app, heard } = openShop(taskQueue);
      const redis = await redisUrl();
      const at = { app, redis, temporal: { connection: { address: temporalAddress() }, dataConverter } };
      await using worker = createWorker(at);
      await using sagas = createSagaWorker({ ...at, createActivities, workflowBundle: { code } });
      await Promise.all([worker.ready, sagas.ready]);
      const producer = await openProducer(visits, { redisUrl: redis });
      for (const how of hows) {
        const { traceparent, ...draft } = visit(guest, how, traces[how]);
        await producer.send(draft, { traceparent });
        await vi.waitFor(() => expect(heard.has(`${guest} ${how}`)).toBe(true), patient);
      }
      await producer.close();
      await vi.waitFor(() => expect(heard.has(`${guest} step`)).toBe(true), patient);
      expectTraced(heard, guest, traces);

      // As Temporal's own interceptors of OpenTelemetry find it.
      const { calls, input, memo } = await storedOf(`stay/${guest}`);
      expect(calls).toEqual(traces);
      expect(input).toBe(dataConverter ? "binary/encrypted" : "json/plain");
      expect(memo).toEqual({});
    },
  );

  it("gets the spans of another's interceptors, brought by a plugin: they find their parent, and stand first", async () => {
    const [guest, taskQueue, trace] = [unique("guest-"), unique("stays-"), newTrace()];
    const { app, heard } = openShop(taskQueue);
    const redis = await redisUrl();
    const at = { app, redis, temporal: temporalAddress() };
    await using worker = createWorker(at);
    await using sagas = createSagaWorker({ ...at, createActivities, workflowsPath, plugins: [spansFirst] });
    await Promise.all([worker.ready, sagas.ready]);
    const producer = await openProducer(visits, { redisUrl: redis });
    const { traceparent, ...draft } = visit(guest, "start", trace);
    await producer.send(draft, { traceparent });
    await producer.close();
    const told = await vi.waitFor(() => heard.get(`${guest} start`) ?? expect.fail("nothing was told"), patient);
    expect(told).toEqual({ seen: trace, asked: below(trace), announced: below(trace) });
    await stop(`stay/${guest}`);
  });

  it("does so in memory", async () => {
    const [guest, traces] = ["ada", tracesOf()];
    const { app, heard } = openShop("stays");
    const test = testApp(app, { workflows, activities: createActivities });
    for (const how of hows) {
      await test.send([visit(guest, how, traces[how])], visits);
      await test.run();
    }
    const { workflows: seen, deadLetters } = await test.run();
    expect({ deadLetters, ...seen }).toMatchObject({
      deadLetters: [],
      "stay/ada": { status: "completed" },
      "leave/ada": { status: "completed" },
    });
    expectTraced(heard, guest, traces);
  });

  it.each(["", "00-aa-bb-01", `00-${"0".repeat(200_000)}`])("that is none (%#) is left out, and hurts nothing", async (none) => {
    const { app, heard } = openShop("stays");
    const test = testApp(app, { workflows, activities: createActivities });
    await test.send([visit("bob", "start", none)], visits);
    expect((await test.run()).workflows).toMatchObject({ "stay/bob": { status: "running" } });
    expect(heard.get("bob start")).toEqual({ seen: "none", asked: "none", announced: undefined });
  });
});

/** The `traceparent` in the header of each call, the encoding of the input and the memo, as Temporal keeps them. */
async function storedOf(workflowId: string) {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  const signal = events?.find((event) => event.workflowExecutionSignaledEventAttributes);
  const update = events?.find((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
  const text = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString();
  const traceOf = (header: { readonly fields?: Headers | null } | null | undefined): unknown => {
    const { metadata, data } = header?.fields?.["_tracer-data"] ?? {};
    expect(text(metadata?.["encoding"])).toBe("json/plain");
    const { traceparent, ...rest } = JSON.parse(text(data));
    expect(rest).toEqual({});
    return traceparent;
  };
  return {
    calls: {
      start: traceOf(started?.header),
      signal: traceOf(signal?.workflowExecutionSignaledEventAttributes?.header),
      update: traceOf(update?.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.header),
    },
    input: text(started?.input?.payloads?.[0]?.metadata?.["encoding"]),
    memo: started?.memo?.fields ?? {},
  };
}
