import { saga } from "headrace/saga";
import type { Activities } from "../activities/index.ts";

export interface NoteInput {
  readonly key: string;
  readonly n: number;
}

/** Looks at what has been counted of its key, and tells a stream that it was there. */
export const note = saga<NoteInput, Activities>("note")
  .pivot("look", {
    do: ({ input, call }) => call.lookAt(input.key),
    // Looking changes nothing.
    undo: async () => {},
  })
  .then("tell", ({ input, done, key, call }) => call.tell(key, { ...input, repeated: done.look }))
  .returns(({ done }) => done.look);
