import { pipeline } from "headrace";
import { failureNoted } from "./events.ts";
import { appLogins, loginFailures as failures, logins } from "./streams.ts";

/** Notes each failed login twice: with its user and with its address. So what belongs together comes to one partition. */
export const loginFailures = pipeline("login-failures")
  .from(logins, appLogins)
  .flatMap("subjects", ({ type, data }) =>
    type === "login.failed"
      ? [failureNoted({ kind: "user", subject: data.userId }), failureNoted({ kind: "address", subject: data.ip })]
      : [],
  )
  .emit(failures, (noted) => noted);
