import { type Flaw, flaws, type Plan } from "./emission.ts";
import type { Random } from "./random.ts";

/** Oversized entries weigh a quarter of a megabyte each, so a day holds no more of them than this. */
const maxOversized = 20;

/** The flaw of the `index`-th malformed entry of a day: each in turn. */
export function flawOf(index: number): Flaw {
  const flaw = flaws[index % flaws.length] as Flaw;
  return flaw === "over 256 kB" && index >= maxOversized * flaws.length ? "not JSON" : flaw;
}

/** An entry of the adopted stream that cannot become an event. */
export function malformedPlan(random: Random, flaw: Flaw, sendAt: number): Plan {
  const fields = fieldsOf(random, flaw, new Date(sendAt));
  return {
    sendAt,
    event: null,
    isFirst: true,
    emission: { kind: "raw", stream: "app:logins", fields, expect: "dead letter", flaw },
  };
}

function fieldsOf(random: Random, flaw: Flaw, time: Date): Record<string, string> {
  const event = {
    id: random.uuid(),
    type: "login.failed",
    time: time.toISOString(),
    data: { userId: "mallory", ip: "203.0.113.9" },
  };
  const data = (value: unknown) => ({ data: JSON.stringify(value) });
  switch (flaw) {
    case "not JSON":
      return { data: JSON.stringify(event).slice(0, -random.int(1, 20)) };
    case "empty":
      return { data: "" };
    case "no type":
      return data({ ...event, type: undefined });
    case "unknown type":
      return data({ ...event, type: "login.teleported" });
    case "wrong schema":
      return data({ ...event, data: { ...event.data, userId: random.int(1, 9_999) } });
    case "1970":
      return data({ ...event, time: new Date(random.int(0, 86_400_000)).toISOString() });
    case "over 256 kB":
      return data({ ...event, data: { ...event.data, note: "x".repeat(270_000) } });
    case "binary garbage":
      return { data: Array.from({ length: 200 }, () => String.fromCharCode(random.int(0, 255))).join("") };
    case "no field data":
      return { payload: JSON.stringify(event) };
    case "deep brackets":
      return { data: `${"[".repeat(20_000)}${"]".repeat(20_000)}` };
  }
}
