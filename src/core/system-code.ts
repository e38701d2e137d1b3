/** The code of an error of the system, such as `ENOENT`; `undefined` where it has none. */
export const systemCode = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : undefined;
