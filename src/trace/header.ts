import { defaultPayloadConverter, type Headers } from "@temporalio/common";

/**
 * The header of calls to Temporal in which a trace goes on: named and shaped as the OpenTelemetry interceptors of its SDK write and read
 * it, a JSON object of W3C Trace Context. No payload codec sees headers, so it is readable where payloads are encrypted.
 */
export const traceHeader = "_tracer-data";

/** A call with headers: what interceptors are given. */
export interface CallWithHeaders {
  readonly headers: Headers;
}

/** As W3C Trace Context has it. Producers may give any text: one that is none goes no further. */
const form = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}[\w-]{0,200}$/;

/** The headers of a call that is made for an event with this `traceparent`; none where it has none. */
export const traceHeaders = (traceparent: string | undefined): Headers =>
  traceparent !== undefined && form.test(traceparent)
    ? { [traceHeader]: defaultPayloadConverter.toPayload({ traceparent }) }
    : {};

/** The `traceparent` in the headers of a call; undefined where there is none that can be read: others write this header too. */
export function traceparentOf({ [traceHeader]: payload }: Headers): string | undefined {
  if (payload === undefined) return undefined;
  try {
    const { traceparent } = defaultPayloadConverter.fromPayload<{ readonly traceparent?: unknown }>(payload);
    return typeof traceparent === "string" && form.test(traceparent) ? traceparent : undefined;
  } catch {
    return undefined;
  }
}
