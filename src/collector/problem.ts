/** Faults of a whole request: by their names, the status of HTTP, and what they say in general. */
export const problems = {
  "malformed": { status: 400, title: "The request cannot be read" },
  "forbidden": { status: 403, title: "This caller may not send here" },
  "not-found": { status: 404, title: "There is no such place" },
  "too-slow": { status: 408, title: "The request did not arrive in time" },
  "too-large": { status: 413, title: "The request is too large" },
  "unsupported": { status: 415, title: "The request is of a form that is not taken" },
  "rate-limited": { status: 429, title: "Too many events" },
  "headers-too-large": { status: 431, title: "The headers are too large" },
  "failed": { status: 500, title: "The collector has failed" },
  "overloaded": { status: 503, title: "Nothing is taken at present" },
} as const;

/** The name of a fault of a whole request. */
export type ProblemName = keyof typeof problems;

/** Why a whole request is refused: nothing of it was stored. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly problem: ProblemName;
  /** When to try again, seconds; undefined where that helps nothing. */
  readonly retryAfter: number | undefined;

  constructor(problem: ProblemName, detail: string, { retryAfter }: { readonly retryAfter?: number } = {}) {
    super(detail);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}
