/** The public door `headrace/host`: workers inside a process of yours. */
export type { CleanedLogs } from "../archive/activities.ts";
export type { Expired } from "../archive/expire.ts";
export type { S3Options } from "../archive/s3-store.ts";
export type { Tls } from "../core/tls.ts";
export type { RedisAddress } from "../redis/connection.ts";
export type { ClickHouseAddress } from "../sinks/clickhouse/client.ts";
export type {
  BatchPlace,
  CommitReport,
  ConfirmReport,
  DeadLetterReport,
  GuardReport,
  LeaseReport,
  ProcessReport,
  ReadReport,
  RetryReport,
  Telemetry,
  TraceReport,
} from "../telemetry/port.ts";
export type { ActivityDeps, KeptOf, StateDeps } from "./activity-deps.ts";
export type { ActivityStore } from "./activity-store.ts";
export type { Announce, AnnouncedDraft } from "./announcer.ts";
export type { KeepLogs } from "./clean-logs.ts";
export { type CreateSagaWorkerOptions, createSagaWorker } from "./create-saga-worker.ts";
export { type CreateWorkerOptions, createWorker } from "./create-worker.ts";
export type { Running } from "./lifecycle.ts";
export type { ArchiveAddress } from "./open-archive.ts";
export type { HostedOptions } from "./options.ts";
export type { SagaLimits } from "./saga-limits.ts";
export type { Activities, CreateActivities } from "./saga-role.ts";
export type { TemporalAddress } from "./services.ts";
