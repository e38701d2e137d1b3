/** The public door `headrace/participant`: what participants are written with. */
export {
  type ClientOf,
  defineParticipant,
  type Participant,
  Refusal,
  ReplyLost,
  type Verb,
  type Verbs,
  verb,
} from "./participant.ts";
