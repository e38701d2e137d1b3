import { foldedLogins } from "../../folded-logins.ts";
import { uniqueKeyOf } from "../../keys.ts";

/** A state for each event of a run, as large as a small one of an application. */
export const app = foldedLogins("last-login", {
  key: uniqueKeyOf,
  initial: { ip: "", at: "", times: 0 },
  evolve: ({ times }, { time, data }) => ({ ip: data.ip ?? "", at: time.toISOString(), times: times + 1 }),
});
