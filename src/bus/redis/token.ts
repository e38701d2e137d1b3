import type { Fence } from "../port.ts";

/** What the scripts compare with the lease, beside its owner. */
export const tokenOf = ({ epoch, tenure }: Fence): string => `${epoch}:${tenure}`;
