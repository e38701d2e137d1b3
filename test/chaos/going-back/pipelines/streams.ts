/** What activities know of the pipelines. */
import { defineEvent, defineState, defineStream } from "headrace";
import { z } from "zod";

export const data = z.object({ key: z.string(), n: z.int() });
export const noted = defineEvent("number.noted", data.extend({ repeated: z.int() }), { key: ({ key }) => key });
/** What sagas announce. */
export const notes = defineStream("notes", { events: [noted], partitions: 2 });
/** The numbers of each key, in a fold that takes each once. */
export const seenOnce = defineState<readonly number[]>("seen", { pipeline: "once" });
