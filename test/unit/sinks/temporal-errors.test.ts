import { ServiceError } from "@temporalio/client";
import { NamespaceNotFoundError } from "@temporalio/common";
import { describe, expect, it } from "vitest";
import { sortCallError } from "../../../src/sinks/temporal/errors.ts";

/** What the client throws when a server answers with a status. */
const answered = (code: number, details: string) =>
  new ServiceError("Failed to start Workflow", {
    cause: Object.assign(new Error(`${code}: ${details}`), { code, details, metadata: {} }),
  });

describe("what Temporal answers to a call", () => {
  it("waits wherever the fault is in nothing that the row holds", () => {
    const waits = [1, 2, 4, 8, 9, 10, 13, 14].filter((code) => sortCallError(answered(code, "not now")).kind === "retry");
    expect(waits).toEqual([1, 2, 4, 8, 9, 10, 13, 14]);
  });

  it("waits while a namespace fails over", () => {
    const notActive =
      "Namespace: shop is active in cluster: west, while current cluster east is a standby cluster. The namespace is not active in the current cluster";
    expect(sortCallError(answered(9, notActive))).toMatchObject({ kind: "retry", reason: expect.stringContaining("west") });
  });

  it.each([
    [3, "Input is too odd"],
    [8, "grpc: received message larger than max (5000000 vs. 4194304)"],
    [9, "limit on the total number of distinct updates in this workflow has been reached: 2000"],
    [11, "out of range"],
    [15, "the history is corrupt"],
  ])("refuses the row where status %i says that it never fits: %s", (code, details) => {
    expect(sortCallError(answered(code, details)).kind).toBe("refused");
  });

  it.each([
    [5, "no such namespace"],
    [7, "no right"],
    [9, "Namespace has invalid state: Deprecated. Must be Registered."],
    [12, "unknown method"],
    [16, "who are you"],
  ])("stops where status %i needs a person: %s", (code, details) => {
    expect(sortCallError(answered(code, details)).kind).toBe("stop");
  });

  it("stops where there is no such namespace, for which the client has an error of its own", () => {
    expect(sortCallError(new NamespaceNotFoundError("shp"))).toEqual({ kind: "stop", reason: "there is no namespace 'shp'" });
  });

  it("waits for a search attribute that the namespace lacks, with the way out", () => {
    const lacks = answered(3, "Namespace shop has no mapping defined for search attribute SagaStep");
    expect(sortCallError(lacks)).toMatchObject({ kind: "retry", reason: expect.stringContaining("headrace migrate --apply") });
  });

  it("waits at what nobody has heard of", () => {
    expect(sortCallError(answered(77, "new")).kind).toBe("retry");
    expect(sortCallError(new Error("socket hang up")).kind).toBe("retry");
  });
});
