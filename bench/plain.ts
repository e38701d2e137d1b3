import { delivered, startWorker } from "./frames.ts";
import type { Contestant } from "./measure.ts";
import { plainStream, publishPlain } from "./publish.ts";

/** Our worker on the plain entries of another program, read in place. */
export const plain: Contestant = {
  name: "plain",
  prepare: ({ events, stack }) => publishPlain(events, stack.redisUrl),
  start: startWorker,
  done: ({ stack }) => delivered(stack, [`hr:{${plainStream}}`]),
  makesRows: true,
};
