/** Every error code of Headrace, with the sentence that docs and `headrace doctor` print for it. */
export const errorCodes = {
  "usage": "the command line or an argument is wrong",
  "config.invalid": "a definition (event, stream, table, pipeline, app) is wrong",
  "config.environment": "an environment variable or the configuration of a service is wrong",
  "app.load": "pipelines/index.ts could not be loaded",
  "stack.missing": "a service's program is not on this machine and could not be obtained",
  "stack.start": "a service did not start",
  "stack.port": "a port is taken",
  "stack.state": "the state directory cannot be used",
  "service.unreachable": "a service does not answer",
  "bus.fenced": "another worker owns this partition now",
  "bus.unsupported": "the Redis server is too old or set up in a way that would lose data",
  "frame.undecodable": "a frame or entry cannot be decoded",
  "event.invalid": "an event does not fit its schema",
  "row.invalid": "a value does not fit its column",
  "clickhouse.retry": "ClickHouse is not ready for this statement",
  "clickhouse.data": "ClickHouse refuses the data",
  "clickhouse.schema": "ClickHouse refuses the statement: schema or rights",
  "temporal.retry": "Temporal is not ready",
  "temporal.refused": "Temporal refuses the call",
  "replay.stalled": "a replay log is full, and nobody reads it",
  "replay.state": "a replay would change keyed state a second time",
  "migrate.unsafe": "a change of a table would lose data",
} as const;

export type ErrorCode = keyof typeof errorCodes;
