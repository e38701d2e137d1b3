import type { IncomingHttpHeaders } from "node:http";
import { isOwnHost } from "../core/own-host.ts";
import { isSameSecret } from "../core/same-secret.ts";

/** Who may call. */
export interface AccessOptions {
  /** What callers send as `authorization: Bearer <token>`. @default callers send none: whoever reaches the port may call */
  readonly token?: string | undefined;
  /** The names under which this server is called, beside `localhost` and the addresses of this machine. @default none */
  readonly hosts?: readonly string[];
}

export interface AccessRefusal {
  readonly status: number;
  readonly type: string;
  readonly detail: string;
}

/**
 * Why a call is refused; `undefined` where it may be made. A page of another site reaches what listens on this machine through the browser
 * of someone who works here: under a name of its own, which it points at us, or with an `Origin` that is not ours.
 */
export function accessRefusal(
  { host = "", origin, authorization = "" }: IncomingHttpHeaders,
  access: AccessOptions,
): AccessRefusal | undefined {
  if (!isOwnHost(host, access.hosts ?? [])) {
    return {
      status: 403,
      type: "ForeignHost",
      detail: "the Host of this call is none of ours: name it in HEADRACE_PARTICIPANTS_HOSTS",
    };
  }
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return { status: 403, type: "ForeignOrigin", detail: "pages of other sites may not call" };
  }
  if (access.token !== undefined && !isSameSecret(authorization, `Bearer ${access.token}`)) {
    return {
      status: 401,
      type: "Unauthorized",
      detail: "the token is missing or wrong: give callers and participants the same HEADRACE_PARTICIPANTS_TOKEN",
    };
  }
  return undefined;
}
