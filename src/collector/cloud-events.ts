import type { IncomingHttpHeaders } from "node:http";
import { readJson } from "../bus/read-json.ts";
import type { Opened } from "./opened.ts";

/** An event of ours out of a CloudEvent 1.0: its attributes have the same names. What it must have there, it must have here. */
export function cloudEventOf(cloud: Readonly<Record<string, unknown>>): Opened {
  const { specversion, id, source, data_base64: base64, ...event } = cloud;
  if (specversion !== "1.0") return refused(`its specversion is ${shown(specversion)}, and "1.0" is what is read`);
  const lacking = Object.entries({ id, source }).find(([, value]) => typeof value !== "string" || value === "");
  if (lacking) return refused(`its ${lacking[0]} is ${shown(lacking[1])}, and must be a text`);
  if (base64 === undefined) return { kind: "event", event: { ...event, id, source } };
  if (typeof base64 !== "string" || event["data"] !== undefined)
    return refused("it has data and data_base64, or the latter is no text");
  const json = readJson(Buffer.from(base64, "base64"), "data_base64");
  return json.kind === "json" ? { kind: "event", event: { ...event, id, source, data: json.value } } : json;
}

/** An event of ours out of a CloudEvent in the binary mode: its attributes are headers, and the body is its data. */
export function fromHeaders(headers: IncomingHttpHeaders, body: Buffer, maxBytes: number): Opened {
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith("ce-") || typeof value !== "string") continue;
    const text = decoded(value);
    if (text === undefined) return refused(`the header ${name} is not percent-encoded UTF-8`);
    Object.defineProperty(attributes, name.slice(3), { value: text, enumerable: true });
  }
  if (body.length === 0) return cloudEventOf(attributes);
  const json = readJson(body, "the body", maxBytes);
  return json.kind === "json" ? cloudEventOf({ ...attributes, data: json.value }) : json;
}

const refused = (why: string): Opened => ({
  kind: "refused",
  reason: "not-a-cloudevent",
  error: `the CloudEvent is refused: ${why}`,
});

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? "missing";

/** Values of headers are percent-encoded. */
function decoded(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
