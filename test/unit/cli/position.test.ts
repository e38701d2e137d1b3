import { describe, expect, it } from "vitest";
import { parsePosition } from "../../../src/cli/replay/position.ts";
import { parseWhen } from "../../../src/cli/when.ts";

describe("--from", () => {
  it.each([
    ["2026-11-24T10:00:00Z", Date.UTC(2026, 10, 24, 10)],
    ["2026-11-24T10:00:00.250+01:00", Date.UTC(2026, 10, 24, 9, 0, 0, 250)],
    ["2026-11-24", Date.UTC(2026, 10, 24)],
  ])("takes the time %s", (text, atMs) => {
    expect(parsePosition(text)).toEqual({ kind: "time", atMs });
  });

  it("takes how long ago it was", () => {
    const before = Date.now();
    const position = parsePosition("2h");
    if (position.kind !== "time") throw new Error("not a time");
    expect(position.atMs).toBeGreaterThanOrEqual(before - 7_200_000);
    expect(position.atMs).toBeLessThanOrEqual(Date.now() - 7_200_000);
  });

  it.each([
    ["1795600000000-0", "1795600000000-0", undefined],
    ["logins/07:1795600000000-12", "1795600000000-12", "logins/07"],
    ["app-logins:5-1", "5-1", "app-logins"],
    ["18446744073709551615-18446744073709551615", "18446744073709551615-18446744073709551615", undefined],
    ["0", "0-0", undefined],
    ["logins/07:0", "0-0", "logins/07"],
  ])("takes the position %s", (text, entry, partition) => {
    expect(parsePosition(text)).toEqual({ kind: "entry", entry, partition });
  });

  it.each([
    "",
    "yesterday",
    "2026",
    "2026-11",
    "1795600000000",
    "1795600000000-",
    "-5",
    "logins/07",
    "logins/07:",
    "logins/07:2026-11-24",
    ":1-1",
    "18446744073709551616-0",
    "1-18446744073709551616",
    "1-1-1",
  ])("refuses '%s' with the way out", (text) => {
    expect(() => parsePosition(text)).toThrow(
      expect.objectContaining({
        code: "usage",
        message: `--from '${text}' is neither a time nor a position`,
        hint: expect.stringContaining("logins/07:1795600000000-0"),
      }),
    );
  });

  it("refuses a day that is no day", () => {
    expect(() => parsePosition("2026-13-45")).toThrow("--from '2026-13-45' is not a time");
    expect(() => parseWhen("--since", "2026-02-99")).toThrow("--since '2026-02-99' is not a time");
  });
});
