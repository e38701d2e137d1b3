import type { StandardSchemaV1 } from "@standard-schema/spec";

/** What a schema found wrong, in one line: each with its path, five at most. */
export function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  return issues
    .slice(0, 5)
    .map(({ path, message }) => {
      const where = path?.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
      return where ? `${where}: ${message}` : message;
    })
    .join("; ");
}
