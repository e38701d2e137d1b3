import { type App, count, defineApp, defineEvent, defineStream, hours, pipeline, tumbling } from "headrace";
import { z } from "zod";
import type { logins } from "../../pipelines/streams.ts";
import { keyOf } from "./keys.ts";

const counted = defineEvent("logins.counted", z.object({ key: z.string(), logins: z.int() }), { key: ({ key }) => key });
const counts = defineStream("login-counts", { events: [counted], partitions: 8 });

/** Logins of each key, counted by the hour: a window a key. */
export const hourlyCounts = (source: typeof logins): App =>
  defineApp({
    pipelines: [
      pipeline("login-analytics")
        // Windows are to close while the events are read, as they do in a stream that is older than a run.
        .from(source, { idleMs: 100 })
        .keyBy(keyOf)
        .window(tumbling({ sizeMs: hours(1) }))
        .aggregate({ logins: count() })
        .emit(counts, ({ key, values }) => counted({ key, logins: values.logins })),
    ],
  });
