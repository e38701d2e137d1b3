/** The logger that comes in through `deps`. pino satisfies it; so does a test's array. */
export interface Logger {
  /** What helps to trace a fault. */
  debug(fields: object, message: string): void;
  /** What works again, and what goes as it should. */
  info(fields: object, message: string): void;
  /** What goes wrong and is tried again. */
  warn(fields: object, message: string): void;
  /** What needs a person. */
  error(fields: object, message: string): void;
}

const ignore = () => {};

/** Says nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
