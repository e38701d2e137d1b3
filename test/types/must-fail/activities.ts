import { defineEvent, defineState, defineStream } from "headrace";
import type { ActivityDeps } from "headrace/host";
import { z } from "zod";

const freed = defineEvent("seat.freed", z.object({ seat: z.string() }), { key: ({ seat }) => seat });
const sold = defineEvent("ticket.sold", z.object({ ticket: z.string() }));
const seats = defineStream("seats", { events: [freed] });
const seat = defineState<{ readonly holder: string }>("seat", { pipeline: "seats" });
declare const deps: ActivityDeps;

// refused: TypeHint<"The stream carries no 'ticket.sold'">
deps.announce(seats, { id: "i", ...sold({ ticket: "t" }) });
// refused: TypeHint<"The data does not fit 'seat.freed'">
deps.announce(seats, { id: "i", type: "seat.freed", data: { seat: 12 } });
// refused: Property 'id' is missing in type
deps.announce(seats, freed({ seat: "12a" }));
// refused: Property 'owner' does not exist on type
deps.stateOf(seat, "12a").then((kept) => kept?.state.owner);
