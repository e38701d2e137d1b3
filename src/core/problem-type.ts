/** The media type of a refusal over HTTP (RFC 9457). */
export const problemType = "application/problem+json";
