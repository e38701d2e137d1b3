/** Every answer of a participant names it: whoever answers without it is somebody else, who may have come by a port that was given back. */
export const participantHeader = "headrace-participant";

/** The type of every answer that is not 200 (RFC 9457). */
export const problemType = "application/problem+json";
