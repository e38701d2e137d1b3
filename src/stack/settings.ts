/** What Headrace asks of its services, as data: the embedded stack and docker-compose.yml both follow it. */

/** The ports that the services' own documentation uses. */
export const standardPorts = { redis: 6379, clickhouse: 8123, temporal: 7233, temporalUi: 8233 } as const;

/** One port a service, and one for Temporal's UI. */
export type StackPorts = Readonly<Record<keyof typeof standardPorts, number>>;

/** When Redis calls fsync on its append-only file. `always` loses no acknowledged event to a crash. */
export type AppendFsync = "always" | "everysec";

/**
 * Redis: every write in the append-only file, no snapshots beside it; nothing may be evicted, for an evicted stream
 * is lost events; 256 databases, so that tests can have one each.
 */
export function redisSettings(appendFsync: AppendFsync): Readonly<Record<string, string>> {
  return { appendonly: "yes", appendfsync: appendFsync, save: "", "maxmemory-policy": "noeviction", databases: "256" };
}

/**
 * SQLite of the embedded Temporal: three times the workflow starts of the defaults. A kill of the process loses
 * nothing; a power cut may lose the last seconds.
 */
export const sqlitePragmas = { journal_mode: "WAL", synchronous: "OFF" } as const;

/** The namespace of the embedded Temporal. */
export const temporalNamespace = "default";
