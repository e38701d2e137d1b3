import { ErrorReply } from "redis";
import { ConfigError, HeadraceError, messageOf, RetryableError } from "../../core/errors.ts";
import { redisFailure } from "../../redis/failure.ts";

/** Answers that stay the same however long one waits. Within a script, servers say in words of their own that a right is missing. */
const lacksRight = /^(NOPERM|NOAUTH|WRONGPASS) |^ERR (ACL failure|The user executing the script|unknown command)/;

/**
 * What a failed append means to whoever sends. All that passes by itself (away, loading, a replica after a failover, a disk
 * that is full) is worth another try: the script stores a frame once.
 */
export function appendFailure(error: unknown): HeadraceError {
  if (error instanceof HeadraceError) return error;
  const said = `Redis: ${messageOf(error)}`;
  if (!(error instanceof ErrorReply)) return redisFailure(error);
  if (error.message.startsWith("OOM ")) {
    return new RetryableError("bus.full", said, {
      cause: error,
      hint: "Raise maxmemory, or start the workers that have fallen behind.",
    });
  }
  if (error.message.startsWith("WRONGTYPE ")) {
    return new ConfigError("config.environment", said, {
      cause: error,
      hint: "Another program has written to a key of this stream (hr:{<stream>:…}): move it away.",
    });
  }
  if (error.message.includes("appendonly is disabled")) return writesNoLog(error);
  if (lacksRight.test(error.message)) {
    return new ConfigError("config.environment", said, {
      cause: error,
      hint: "Grant the user in REDIS_URL: ~hr:* +evalsha +eval +xadd +hget +hset +hincrby, for the level 'fsync' +info +waitaof (before 7.2 +config|get), for 'replica' +wait.",
    });
  }
  return redisFailure(error);
}

/** The answer to whoever wants the level `fsync` of a server without an append-only file. */
export const writesNoLog = (cause?: unknown): ConfigError =>
  new ConfigError("bus.unsupported", "Redis writes no log to disk, so it cannot acknowledge at the level 'fsync'", {
    cause,
    hint: "Set appendonly to yes in the configuration of Redis, or take the level 'memory'.",
  });
