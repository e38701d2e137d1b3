import { DefaultFailureConverter } from "@temporalio/common";

/** For clients and activities with a codec: messages and stacks of failures become payloads, which it encrypts. Temporal loads this by its path. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
