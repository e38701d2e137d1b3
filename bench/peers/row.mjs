/** The row of a login, as the rivals in JavaScript make it: an object for JSONEachRow. */
export function toRow({ id, type, time, data }) {
  const row = {
    event_id: id,
    user_id: data.userId,
    outcome: type === "login.succeeded" ? "success" : "failure",
    at: time.replace("T", " ").replace("Z", ""),
    ip: data.ip,
    source: "app-logins",
  };
  // As the application's schema has it: a failed login has neither session nor device nor country.
  if (type === "login.succeeded") {
    row.session_id = data.sessionId;
    row.device = data.device;
    row.country = data.country;
  }
  return row;
}
