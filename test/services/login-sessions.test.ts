import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Operator, openOperator } from "../support/operator.ts";

/** Long enough ago that no session of that day is open any more. */
const day = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
const at = (time: string) => `${day}T${time}Z`;
const shown = (time: string) => `${day} ${time}`;

const event = (type: string, time: string, data: object) => JSON.stringify({ type, time, data });
const login = (userId: string, sessionId: string, time: string, device = "laptop") =>
  event("login.succeeded", time, { userId, sessionId, ip: "203.0.113.7", device });
const logout = (userId: string, sessionId: string, time: string) => event("login.ended", time, { userId, sessionId });

let operator: Operator;

beforeAll(async () => {
  operator = await openOperator();
  await operator.run(["migrate", "--apply"]);
  await operator.start(["start", "--role", "worker", "--pipelines", "login-analytics", "--json"]);
}, 60_000);

afterAll(() => operator.stopAll());

/** Sends what came one after another, and waits until it is in the tables. */
async function come(...lines: readonly string[]): Promise<void> {
  const { stdout } = await operator.run(["send", "logins", "--json"], { input: lines.join("\n") });
  expect(JSON.parse(stdout)).toEqual({ sent: lines.length, duplicates: 0, invalid: 0 });
  await operator.drained("login-analytics");
}

const sessionsOf = (...users: readonly string[]) =>
  operator.sql(`
    SELECT user_id, session_id, toString(started_at) AS started, toString(ended_at) AS ended, toInt32(duration_ms) AS ms
    FROM login_sessions WHERE user_id IN (${users.map((user) => `'${user}'`).join()}) ORDER BY user_id, session_id`);

const session = (user_id: string, session_id: string, [started, ended, ms]: readonly [string, string, number | null]) => ({
  ...{ user_id, session_id, started: shown(started), ended: shown(ended), ms },
});

describe("a login session", () => {
  it("is one of several that a user has at once, each with its own length", async () => {
    await come(
      login("ada", "desk", at("08:00:00.000"), "laptop"),
      login("ada", "hand", at("08:10:00.000"), "phone"),
      login("ada", "sofa", at("08:20:00.000"), "tablet"),
      logout("ada", "hand", at("08:15:00.250")),
      logout("ada", "desk", at("16:00:00.000")),
    );
    expect(await sessionsOf("ada")).toEqual([
      session("ada", "desk", ["08:00:00.000", "16:00:00.000", 28_800_000]),
      session("ada", "hand", ["08:10:00.000", "08:15:00.250", 300_250]),
      session("ada", "sofa", ["08:20:00.000", "08:50:00.000", null]),
    ]);
  });

  it("is no session without a login, but its logout is there to be seen; once the login comes it has its length", async () => {
    await come(logout("bob", "s1", at("09:30:00.000")));
    expect(await sessionsOf("bob")).toEqual([]);
    const unopened = () =>
      operator.sql(
        "SELECT user_id, session_id, toString(logged_out_at) AS ended FROM session_times WHERE started_at IS NULL AND user_id = 'bob'",
      );
    expect(await unopened()).toEqual([{ user_id: "bob", session_id: "s1", ended: shown("09:30:00.000") }]);

    await come(login("bob", "s1", at("09:00:00.000")));
    expect(await sessionsOf("bob")).toEqual([session("bob", "s1", ["09:00:00.000", "09:30:00.000", 1_800_000])]);
    expect(await unopened()).toEqual([]);
  });

  it("ends where it began when the clock of its logout is behind, whichever of them comes first", async () => {
    await come(
      login("cleo", "s1", at("10:00:00.000")),
      logout("cleo", "s1", at("09:59:57.500")),
      logout("cleo", "s2", at("08:00:00.000")),
      login("cleo", "s2", at("11:00:00.000")),
    );
    expect(await sessionsOf("cleo")).toEqual([
      session("cleo", "s1", ["10:00:00.000", "10:00:00.000", 0]),
      session("cleo", "s2", ["11:00:00.000", "11:00:00.000", 0]),
    ]);
  });

  it("that was taken for ended gets its true end and length by a logout that comes later, before or long after the idle end", async () => {
    await come(login("dan", "short", at("12:00:00.000")), login("dan", "long", at("12:00:00.000")));
    expect(await sessionsOf("dan")).toEqual([
      session("dan", "long", ["12:00:00.000", "12:30:00.000", null]),
      session("dan", "short", ["12:00:00.000", "12:30:00.000", null]),
    ]);
    await come(logout("dan", "short", at("12:10:00.000")), logout("dan", "long", at("23:00:00.000")));
    expect(await sessionsOf("dan")).toEqual([
      session("dan", "long", ["12:00:00.000", "23:00:00.000", 39_600_000]),
      session("dan", "short", ["12:00:00.000", "12:10:00.000", 600_000]),
    ]);
  });

  it("with a second login begins with the first, is heard of last at the second, and ends with its last logout", async () => {
    await come(login("eve", "s1", at("13:20:00.000")), login("eve", "s1", at("13:00:00.000")));
    expect(await sessionsOf("eve")).toEqual([session("eve", "s1", ["13:00:00.000", "13:50:00.000", null])]);
    await come(logout("eve", "s1", at("13:30:00.000")), logout("eve", "s1", at("13:10:00.000")));
    expect(await sessionsOf("eve")).toEqual([session("eve", "s1", ["13:00:00.000", "13:30:00.000", 1_800_000])]);
  });

  it("is another one under another user, though the id is the same", async () => {
    await come(
      login("fay", "shared", at("14:00:00.000")),
      login("gus", "shared", at("14:05:00.000")),
      logout("gus", "shared", at("14:06:00.000")),
    );
    expect(await sessionsOf("fay", "gus")).toEqual([
      session("fay", "shared", ["14:00:00.000", "14:30:00.000", null]),
      session("gus", "shared", ["14:05:00.000", "14:06:00.000", 60_000]),
    ]);
  });

  it("of which was heard a moment ago has no end yet", async () => {
    await come(login("hal", "s1", new Date(Date.now() - 60_000).toISOString()));
    expect(await sessionsOf("hal")).toMatchObject([{ session_id: "s1", ended: null, ms: null }]);
  });

  it("is counted among the durations when it was logged out, by the day on which it began, and not before", async () => {
    // From the shortest: two of cleo, gus, ada's hand, dan's short, bob and eve, ada's desk, dan's long.
    expect(
      await operator.sql(
        "SELECT toString(day) AS day, toUInt32(sessions) AS sessions, toUInt32(median_ms) AS median, toUInt32(p95_ms) AS p95 FROM session_durations",
      ),
    ).toEqual([{ day, sessions: 9, median: 600_000, p95: 39_600_000 }]);
    expect(
      await operator.sql(
        "SELECT user_id, toUInt32(sessions) AS sessions, toUInt32(median_ms) AS median FROM session_durations_by_user ORDER BY user_id",
      ),
    ).toEqual([
      { user_id: "ada", sessions: 2, median: 28_800_000 },
      { user_id: "bob", sessions: 1, median: 1_800_000 },
      { user_id: "cleo", sessions: 2, median: 0 },
      { user_id: "dan", sessions: 2, median: 39_600_000 },
      { user_id: "eve", sessions: 1, median: 1_800_000 },
      { user_id: "gus", sessions: 1, median: 60_000 },
    ]);
  });
});
