import type { IncomingHttpHeaders } from "node:http";
import { readJson } from "../bus/read-json.ts";
import { isRecord } from "../core/is-record.ts";
import { cloudEventOf, fromHeaders } from "./cloud-events.ts";
import type { Opened } from "./opened.ts";
import { Problem } from "./problem.ts";
import { spansOfArray, spansOfLines, type TextSpan } from "./split.ts";

/** The events of a request, each as it came, and how one is opened. */
export interface Incoming {
  readonly events: readonly Buffer[];
  open(bytes: Buffer, maxBytes: number): Opened;
}

const openPlain: Incoming["open"] = (bytes, maxBytes) => {
  const json = readJson(bytes, "the event", maxBytes);
  if (json.kind === "refused") return json;
  return isRecord(json.value)
    ? { kind: "event", event: json.value }
    : { kind: "refused", reason: "not-an-object", error: "the event is not a JSON object" };
};

const openCloud: Incoming["open"] = (bytes, maxBytes) => {
  const opened = openPlain(bytes, maxBytes);
  return opened.kind === "event" ? cloudEventOf(opened.event) : opened;
};

/** Bytes as text in which each character is a byte: what marks the bounds of events is ASCII. */
const byBytes = (body: Buffer, spansOf: (text: string) => readonly TextSpan[]): readonly Buffer[] =>
  spansOf(body.toString("latin1")).map(([from, to]) => body.subarray(from, to));

const whole = (body: Buffer): readonly Buffer[] => [body];
const lines = (body: Buffer): readonly Buffer[] => byBytes(body, spansOfLines);
const array = (body: Buffer): readonly Buffer[] =>
  byBytes(body, (text) => {
    const spans = spansOfArray(text);
    if (!spans)
      throw new Problem("malformed", "the JSON array of events does not end, or something follows it: nothing of it was stored");
    return spans;
  });
const oneOrArray = (body: Buffer): readonly Buffer[] =>
  /^\s*\[/.test(body.toString("latin1", 0, 1_024)) ? array(body) : whole(body);

type BodyFormat = { readonly split: (body: Buffer) => readonly Buffer[]; readonly open: Incoming["open"] };

/** By media type. `text/plain` is what a page's beacon sends without asking first. */
const formats: Readonly<Record<string, BodyFormat>> = {
  "application/json": { split: oneOrArray, open: openPlain },
  "text/plain": { split: oneOrArray, open: openPlain },
  "application/x-ndjson": { split: lines, open: openPlain },
  "application/ndjson": { split: lines, open: openPlain },
  "application/jsonl": { split: lines, open: openPlain },
  "application/cloudevents+json": { split: whole, open: openCloud },
  "application/cloudevents-batch+json": { split: array, open: openCloud },
};

/**
 * Splits the body of a request into its events, by its media type. CloudEvents of the binary mode have their attributes in the headers.
 * @throws Problem `unsupported`; `malformed` where the body is a JSON array that does not end
 */
export function splitRequest(headers: IncomingHttpHeaders, body: Buffer): Incoming {
  const [name = ""] = (headers["content-type"] ?? "").split(";");
  const media = name.trim().toLowerCase();
  if (headers["ce-specversion"] !== undefined && !media.startsWith("application/cloudevents"))
    return { events: [body], open: (bytes, maxBytes) => fromHeaders(headers, bytes, maxBytes) };
  const format = Object.hasOwn(formats, media) ? formats[media] : undefined;
  if (!format)
    throw new Problem(
      "unsupported",
      `${media === "" ? "a request without a media type" : `the media type '${media.slice(0, 100)}'`} is not taken: send ${Object.keys(formats).join(", ")}, or CloudEvents of the binary mode`,
    );
  return { events: format.split(body), open: format.open };
}
