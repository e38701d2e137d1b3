import type { Rig, RigApp } from "./rig.ts";
import type { Expectation } from "./verify.ts";

/** One thing that goes wrong, and what must come of it. */
export interface Fault {
  readonly name: string;
  readonly does: string;
  readonly expects: string;
  /** It kills ClickHouse, and so has one of its own. */
  readonly ownClickHouse?: boolean;
  /** What takes long, or needs more than Node: no part of the short form. */
  readonly wholeOnly?: boolean;
  /** A service's data are on a disk of their own, which can be full. Mounting it takes root. */
  readonly smallDisk?: { readonly service: "redis" | "clickhouse" | "temporal"; readonly megabytes: number };
  /** The clock of Redis can be set. It takes libfaketime. */
  readonly redisClock?: boolean;
  /** An application of its own: it is looked at by `run`, which settles what is in the streams. @default the suite's */
  readonly app?: RigApp;
  /** Makes it happen, and says what is expected where it is not the rule. What is in the streams is settled afterwards. */
  readonly run: (rig: Rig) => Promise<Expectation | undefined>;
}

/** Numbers of rounds, kills and events: as many as the suite is whole or short. */
export const sized = <T>({ whole }: Rig, sizes: { readonly short: T; readonly whole: T }): T =>
  whole ? sizes.whole : sizes.short;
