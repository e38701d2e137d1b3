import { ErrorReply } from "redis";
import { HeadraceError, messageOf, RetryableError } from "../core/errors.ts";

/**
 * What a failed call of Redis means to whoever may repeat it: something to wait for, whatever it is. `service.unreachable`: no answer
 * came. `redis.retry`: one came, and Redis does not do it now (it loads its data, a replica takes over, a right is missing).
 */
export function redisFailure(error: unknown, what = "Redis"): RetryableError {
  if (error instanceof RetryableError) return error;
  const hint = error instanceof HeadraceError ? error.hint : undefined;
  const code = error instanceof ErrorReply || error instanceof HeadraceError ? "redis.retry" : "service.unreachable";
  return new RetryableError(code, `${what}: ${messageOf(error)}`, { cause: error, ...(hint !== undefined && { hint }) });
}

/** The answer of a call that may be repeated. @throws RetryableError as `redisFailure` says */
export async function answerOf<Answer>(call: Promise<Answer>, what?: string): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    throw redisFailure(error, what);
  }
}

/** What a call fails with once its connection was closed on our side. */
export const connectionClosed = (): RetryableError => new RetryableError("connection.closed", "the connection is closed");
