/** Every answer of a participant names it. One without it comes from another program, which may have got the port since. */
export const participantHeader = "headrace-participant";
