import { beforeAll, describe, expect, it } from "vitest";
import { type Operator, openOperator } from "../support/operator.ts";

let operator: Operator;
beforeAll(async () => {
  operator = await openOperator();
});

const numbers = `SELECT toUInt64(18446744073709551615) AS u, toInt128('-170141183460469231731687303715884105728') AS i,
  toDecimal64(0.1, 18) AS d, 1 / 0 AS inf, -1 / 0 AS low, nan AS nan, [toInt64(9007199254740993)] AS list, NULL AS nothing, 1.5 AS f`;

describe("headrace sql", () => {
  it("prints numbers with all their digits, and as a text what JSON has no number for", async () => {
    const { stdout } = await operator.run(["sql", "--json", numbers]);
    expect(stdout).toBe(
      '{"u":18446744073709551615,"i":-170141183460469231731687303715884105728,"d":0.1,"inf":"inf","low":"-inf","nan":"nan","list":[9007199254740993],"nothing":null,"f":1.5}\n',
    );
    const people = await operator.run(["sql", numbers]);
    for (const digits of ["18446744073709551615", "-170141183460469231731687303715884105728", "9007199254740993", "-inf"])
      expect(people.stdout).toContain(digits);
  }, 60_000);

  it("takes statements that end with a semicolon, a comment or settings, and those that are no SELECT", async () => {
    for (const statement of ["SELECT 1 AS one;", "SELECT 1 AS one -- the end", "SELECT 1 AS one SETTINGS max_threads = 1"])
      expect((await operator.run(["sql", "--json", statement])).stdout).toBe('{"one":1}\n');
    expect((await operator.run(["sql", "--json", "EXISTS TABLE system.one"])).stdout).toBe('{"result":1}\n');
    expect((await operator.run(["sql", "SELECT 1 AS one WHERE 0"])).stdout).toBe("");
  }, 60_000);

  it("ends with an error where a statement fails behind its first rows", async () => {
    const { code, stderr } = await operator.tryRun(["sql", "SELECT throwIf(number = 900000) FROM numbers(1000000)"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/FUNCTION_THROW_IF_VALUE_IS_NON_ZERO|throwIf/);
  }, 60_000);
});
