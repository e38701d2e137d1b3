import fc from "fast-check";
import { describe, expect, it } from "vitest";
import xxhash from "xxhash-wasm";
import { slowHash, slowHash32 } from "../../../src/core/xxhash.ts";

describe("xxhash without WebAssembly", () => {
  it("is that of the library, for bytes of any length", async () => {
    const { h32Raw, h64Raw } = await xxhash();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(0xffffffff), (bytes, seed) => {
        expect(slowHash32(bytes, seed)).toBe(h32Raw(bytes, seed));
        expect(slowHash(bytes)).toBe(h64Raw(bytes));
      }),
      { numRuns: 2_000 },
    );
  });
});
