import fc from "fast-check";
import { hours, minutes } from "headrace";
import { everyLife, type LogEvent, testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { failureNoted, loginEnded, loginFailed, loginSucceeded } from "../../../pipelines/events.ts";
import { loginAttacks } from "../../../pipelines/login-attacks.ts";
import { loginFailures } from "../../../pipelines/login-failures.ts";
import { appLogins, logins } from "../../../pipelines/streams.ts";

type Row = Readonly<Record<string, unknown>>;
const retracted = 2 ** 32 - 1;
const from = Date.UTC(2026, 4, 1);

/** The view `login_alerts`. */
const alertsOf = (rows: readonly Row[] = []) =>
  rows
    .filter(({ version }) => version !== retracted)
    .map(({ kind, subject, since, until, failures }) => ({
      who: `${kind} ${subject}`,
      since: (since as Date).getTime() - from,
      until: (until as Date).getTime() - from,
      failures,
    }));

const failure = (who: string, at: number, id: string): LogEvent => {
  const [kind, subject = ""] = who.split(" ") as ["user" | "address", string];
  return { id, ...failureNoted({ kind, subject }), time: new Date(from + at) };
};

/** By reading the sorted log. */
function bursts(log: readonly LogEvent[]) {
  const runs: { who: string; since: number; until: number; failures: number }[] = [];
  for (const { data, time } of log) {
    const { kind, subject } = data as { kind: string; subject: string };
    const at = time.getTime() - from;
    const run = runs.findLast((one) => one.who === `${kind} ${subject}`);
    if (run && at - run.until <= minutes(5)) {
      run.until = at;
      run.failures++;
    } else runs.push({ who: `${kind} ${subject}`, since: at, until: at, failures: 1 });
  }
  return runs.filter(({ failures }) => failures >= 5);
}

const texts = (all: readonly unknown[]) => all.map((one) => JSON.stringify(one)).sort();

describe("login attacks", () => {
  it("are the bursts of the sorted log, whatever order and lives it comes in", { timeout: 300_000 }, async () => {
    const logs = fc
      .array(
        fc.record({
          who: fc.constantFrom("user ada", "user eve", "address ::1"),
          gap: fc.oneof({ weight: 8, arbitrary: fc.nat(100) }, fc.integer({ min: 290, max: 310 })),
        }),
        { minLength: 5, maxLength: 40 },
      )
      .map((steps) => {
        let at = 0;
        return steps.map(({ who, gap }, i) => {
          at += gap * 1_000;
          return failure(who, at, `failure-${i}`);
        });
      });
    await everyLife(loginAttacks, { logs, shuffledMs: minutes(7), runs: 100 }, ({ log, run }) => {
      expect(texts(alertsOf(run.rows["bursts"]))).toEqual(texts(bursts(log)));
      expect(run.audit).toMatchObject({ late: 0, balanced: true });
    });
  });

  it("are there at the fifth failure, and told once while they last", async () => {
    const test = testPipeline(loginAttacks, { now: new Date(from + hours(1)) });
    const send = (...minutesAt: readonly number[]) =>
      test.send(minutesAt.map((at) => failure("user ada", minutes(at), `at ${at}`)));
    await send(0, 1, 2, 3);
    expect((await test.run()).rows["bursts"]).toEqual([]);
    await send(4);
    expect(alertsOf((await test.run()).rows["bursts"])).toMatchObject([{ since: 0, until: minutes(4), failures: 5 }]);
    await send(9, 14);
    const { rows } = await test.advance(hours(48));
    expect(alertsOf(rows["bursts"])).toMatchObject([{ until: minutes(14), failures: 7 }]);
    expect(rows["alerts"]).toMatchObject([
      { type: "login.attack_suspected", data: { userId: "ada", since: new Date(from).toISOString(), failures: 5 } },
    ]);
    await send(20, 21, 22, 23, 24);
    expect((await test.run()).audit).toMatchObject({ late: 5 });
  });

  it("are told anew for the next burst, and name an address where it is one", async () => {
    const test = testPipeline(loginAttacks, { now: new Date(from + hours(1)) });
    const burst = (at: number) => [0, 1, 2, 3, 4].map((n) => failure("address 2001:db8::7", minutes(at + n), `${at} ${n}`));
    await test.send([...burst(0), ...burst(30)]);
    const { rows } = await test.run();
    expect(alertsOf(rows["bursts"])).toHaveLength(2);
    expect(rows["alerts"]).toMatchObject([{ data: { ip: "2001:db8::7" } }, { data: { ip: "2001:db8::7" } }]);
  });

  it("are told of also when a newer one of the same subject was told before, and once where a late failure joins two", async () => {
    const test = testPipeline(loginAttacks, { now: new Date(from + hours(2)) });
    const send = (...minutesAt: readonly number[]) =>
      test.send(minutesAt.map((at) => failure("user ada", minutes(at), `at ${at}`)));
    await send(60, 61, 62, 63, 64);
    await send(30, 31, 32, 33, 34);
    await send(67, 29);
    const sinces = (rows: readonly Row[] = []) => rows.map(({ data }) => (data as { readonly since: string }).since);
    const since = (at: number) => new Date(from + minutes(at)).toISOString();
    expect(sinces((await test.run()).rows["alerts"])).toEqual([since(60), since(30)]);
    await send(39, 44, 49, 54, 59);
    const { rows } = await test.run();
    expect(sinces(rows["alerts"])).toEqual([since(60), since(30)]);
    expect(alertsOf(rows["bursts"]).at(-1)).toMatchObject({ since: minutes(29), until: minutes(67), failures: 17 });
  });
});

describe("login failures", () => {
  it("are noted with their user and their address, at their own time, from both streams; other events are not", async () => {
    const test = testPipeline(loginFailures, { now: new Date(from + hours(1)) });
    const time = new Date(from);
    await test.send(
      [
        loginFailed({ userId: "ada", ip: "::1" }, { time }),
        loginSucceeded({ userId: "ada", ip: "::1", sessionId: "s" }),
        loginEnded({ userId: "ada", sessionId: "s" }),
      ],
      logins,
    );
    await test.send([loginFailed({ userId: "", ip: "::2" }, { time })], appLogins);
    const { rows, audit } = await test.run();
    expect(texts((rows["to"] ?? []).map((row) => [row["data"], row["time"]]))).toEqual(
      texts([
        [{ kind: "user", subject: "ada" }, from],
        [{ kind: "address", subject: "::1" }, from],
        [{ kind: "user", subject: "" }, from],
        [{ kind: "address", subject: "::2" }, from],
      ]),
    );
    expect(audit).toMatchObject({ read: 4, delivered: 2, dropped: { subjects: 2 } });
  });
});
