import { randomUUID } from "node:crypto";

/** One login as it is sent, in every form the same. */
export interface Login {
  readonly id: string;
  readonly type: "login.succeeded" | "login.failed";
  readonly time: Date;
  readonly data: {
    readonly userId: string;
    readonly ip: string;
    readonly device: string;
    readonly country: string;
    readonly sessionId: string;
  };
}

const users = 20_000;
const countries = ["DE", "US", "CN", "FR"] as const;
const spreadMs = 6 * 3_600_000;

/** Noon of yesterday, UTC: the six hours of a run then lie within one day, whenever it is made. */
const since = new Date(new Date().setUTCHours(12, 0, 0, 0) - 86_400_000).getTime();

/** Logins number `first` to `first + count - 1` of `total`: one of five failed, spread evenly over six hours and over 20,000 users. */
export function makeLogins(
  count: number,
  { first = 0, total = count }: { readonly first?: number; readonly total?: number } = {},
): readonly Login[] {
  return Array.from({ length: count }, (_, place): Login => {
    const i = first + place;
    return {
      id: randomUUID(),
      type: i % 5 === 0 ? "login.failed" : "login.succeeded",
      time: new Date(since + Math.floor((i * spreadMs) / total)),
      data: {
        userId: `user-${(i * 7_919) % users}`,
        ip: `203.0.${i % 250}.${i % 200}`,
        device: "firefox-linux",
        country: countries[i % countries.length] as string,
        sessionId: `sess-${i}`,
      },
    };
  });
}

/** The row that login-analytics makes of it: a failed login has neither session nor device nor country. */
export function rowOf({ id, type, time, data }: Login): object {
  const { userId, ip, device, country, sessionId } = data;
  const succeeded = type === "login.succeeded";
  return {
    event_id: id,
    user_id: userId,
    outcome: succeeded ? "success" : "failure",
    at: time,
    ip,
    ...(succeeded && { session_id: sessionId, device, country }),
    source: "logins",
  };
}
