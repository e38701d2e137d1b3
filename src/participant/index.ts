/** The public door `headrace/participant`: what participants are written with. */
export { type ClientOf, defineParticipant, type Participant, Refusal, ReplyLost, type Verb, verb } from "./participant.ts";
