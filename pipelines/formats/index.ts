import { defineFormat } from "headrace";
import { sshdReader } from "./sshd.ts";

/** Logs of OpenSSH's server: `headrace send logins --from sshd`. */
export const sshd = defineFormat("sshd", (context) => {
  const read = sshdReader(context);
  let line = 0;
  return (text) => read(text, { file: "", line: ++line });
});
