/** Every answer of a participant names it. One without it comes from another program, which may have got the port since. */
export const participantHeader = "headrace-participant";

/** The type of every answer that is not 200 (RFC 9457). */
export const problemType = "application/problem+json";
