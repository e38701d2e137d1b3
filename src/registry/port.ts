/** What a process says of a pipeline that it runs: how many partitions there are to share, and which of them it holds. */
export interface PipelineShare {
  readonly partitions: number;
  /** Names of partitions, such as `logins/00`. */
  readonly held: readonly string[];
}

/** What the rest of the system may know of a process. It changes seldom, and every change is pushed to all watchers. */
export interface Facts {
  /** Names the process, uniquely. */
  readonly instance: string;
  /** What it does: `worker`, `saga`, … Another system that is to be found here chooses a word of its own. */
  readonly roles: readonly string[];
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** When it started, ISO 8601. */
  readonly since: string;
  /** Where it can be called: role to URL, for roles that serve HTTP. */
  readonly addresses: Readonly<Record<string, string>>;
  /** The pipelines that it runs, by name. */
  readonly pipelines: Readonly<Record<string, PipelineShare>>;
  /** The rollups that it can refresh; older versions say nothing of it. */
  readonly rollups?: readonly string[];
  /** How a collector meets requests: `open`, `slow`, `retry` or `shut`. */
  readonly door?: string;
  /** `draining`: it finishes what it has, and takes nothing new. */
  readonly state: "running" | "draining";
}

/** How busy a process is: sent with every beat, and pushed to nobody. */
export interface Load {
  /** Processor time per time since the last beat: 1 is one core kept busy. */
  readonly cpu: number;
  readonly rssBytes: number;
}

export interface Instance extends Facts, Load {
  /** How long it is still taken for alive if no more is heard of it, milliseconds. */
  readonly leftMs: number;
}

/** Who is alive. `undefined`: nobody can tell, since the registry does not answer, and what it said last has run out. */
export type RegistryView = readonly Instance[] | undefined;

/**
 * Who is alive. Drivers: Redis, and the in-memory twin of the tests. A call that is not answered within seconds fails with a
 * RetryableError; all of them may be repeated.
 */
export interface Registry {
  /** Enters a process, or prolongs its entry: without another call it vanishes after `ttlMs`, by the registry's own clock. */
  announce(process: Facts & Load, ttlMs: number): Promise<void>;
  /** Takes an entry out at once. */
  withdraw(instance: string): Promise<void>;
  /** Everyone who is alive, by age, the oldest first. */
  live(): Promise<readonly Instance[]>;
  /** Tells who is alive: at first, and soon after each change, until `stop` aborts. Changes of load alone are no changes. Never rejects. */
  watch(seen: (view: RegistryView) => void, stop: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A process's own entry in the registry: kept alive until it is closed. */
export interface RegistryEntry {
  readonly facts: Facts;
  readonly registry: Registry;
  /** Says something new of this process, to everyone, soon. */
  tell(change: Partial<Pick<Facts, "addresses" | "pipelines" | "rollups" | "door" | "state">>): void;
  /** Withdraws the entry. May be called twice. */
  close(): Promise<void>;
}

/** Those who have a role and take on new work. */
export const withRole = (instances: readonly Instance[], role: string): readonly Instance[] =>
  instances.filter(({ roles, state }) => state === "running" && roles.includes(role));

/** The order of `live()`: one that everybody agrees on, and in which newcomers are last. */
export const byAge = (a: Pick<Facts, "since" | "instance">, b: Pick<Facts, "since" | "instance">): number =>
  compare(a.since, b.since) || compare(a.instance, b.instance);

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
