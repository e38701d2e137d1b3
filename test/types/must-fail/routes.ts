import { drop, toStream } from "headrace";
import { match } from "ts-pattern";
import { alerts, attackSuspected, loginEnded, logins, rows } from "./shop.ts";

export const forgottenCase = logins.route({ rows }, (event, to) =>
  match(event)
    .with({ type: "login.succeeded" }, ({ id, time }) => to.rows({ event_id: id, at: time, outcome: "success" }))
    // refused: NonExhaustiveError<Event<"login.failed", { userId: string; reason: string; }>>
    .exhaustive(),
);

// refused: Every path of a route returns an outcome: to.<destination>(row), drop(why) or deadLetter(why)
export const forgottenReturn = logins.route({ rows }, (event, to) => {
  if (event.type === "login.failed") return drop("failed");
  to.rows({ event_id: event.id, at: event.time, outcome: "success" });
});

// refused: Every path of a route returns an outcome: to.<destination>(row), drop(why) or deadLetter(why)
export const nothingReturned = logins.route({ rows }, (event, to) => {
  to.rows({ event_id: event.id, at: event.time, outcome: "success" });
});

// refused: Every path of a route returns an outcome: to.<destination>(row), drop(why) or deadLetter(why)
export const promised = logins.route({ rows }, async (event, to) => to.rows({ event_id: event.id, at: event.time, outcome: "success" }));

// refused: The stream carries no 'login.ended'
export const notCarried = logins.emit(alerts, (event) => loginEnded({ userId: event.data.userId }));

// refused: The stream carries no 'login.ended'
export const oneNotCarried = logins.emit(alerts, (event) => (event.type === "login.failed" ? attackSuspected({ userId: "u", failures: 1 }) : loginEnded({ userId: "u" })));

// refused: The data does not fit 'login.attack_suspected'
export const wrongData = logins.emit(alerts, () => ({ type: "login.attack_suspected", data: { userId: "u" } }));

// refused: Type '"login.ended"' is not assignable to type '"login.attack_suspected"'
export const notCarriedInRoute = logins.route({ alerts: toStream(alerts) }, (_, to) => to.alerts(loginEnded({ userId: "u" })));

// refused: Property 'window' does not exist on type 'PipelineBuilder<
export const windowWithoutKey = logins.window;
// refused: Property 'aggregate' does not exist on type 'PipelineBuilder<
export const aggregatedWithoutWindow = logins.aggregate;
