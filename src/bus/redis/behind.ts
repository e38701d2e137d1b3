import type { WentBack } from "../port.ts";

/** What read.lua and commit.lua answer where Redis knows less than the caller was told. */
export type BehindReply = readonly [state: Buffer, commits: number, reads: number];

export const isBehind = (reply: unknown): reply is BehindReply => Array.isArray(reply) && Buffer.isBuffer(reply[0]);

export const wentBack = ([, commits, reads]: BehindReply): WentBack => ({ kind: "went-back", left: { commits, reads } });
