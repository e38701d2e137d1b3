import { expect, it, vi } from "vitest";
import * as errors from "../../../src/core/errors.ts";
import { Refusal } from "../../../src/participant/participant.ts";

it("an error of one copy of the package is one of its class in another, and of no other class", async () => {
  vi.resetModules();
  const copy = await import("../../../src/core/errors.ts");
  const participants = await import("../../../src/participant/participant.ts");
  expect(copy.RetryableError).not.toBe(errors.RetryableError);
  const away = new copy.RetryableError("service.unreachable", "away");
  expect(away).toBeInstanceOf(errors.RetryableError);
  expect(away).toBeInstanceOf(errors.HeadraceError);
  expect(away).toBeInstanceOf(Error);
  expect(away).not.toBeInstanceOf(errors.ConfigError);
  expect(away).not.toBeInstanceOf(errors.TerminalError);
  expect(errors.codeOf(away)).toBe("service.unreachable");
  expect(new participants.Refusal("Full", "no room")).toBeInstanceOf(Refusal);
  expect(new participants.Refusal("Full", "no room")).not.toBeInstanceOf(errors.HeadraceError);
  for (const nothing of [new Error("away"), null, undefined, "RetryableError", { name: "RetryableError" }])
    expect(nothing instanceof errors.RetryableError).toBe(false);
});

it("a class that extends one is its own, and one of its parent in every copy", async () => {
  class Busy extends errors.RetryableError {}
  vi.resetModules();
  const copy = await import("../../../src/core/errors.ts");
  const busy = new Busy("service.unreachable", "busy");
  expect(busy).toBeInstanceOf(Busy);
  expect(busy).toBeInstanceOf(copy.RetryableError);
  expect(new errors.RetryableError("service.unreachable", "away")).not.toBeInstanceOf(Busy);
});
