import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../core/errors.ts";
import { Refusal, ReplyLost } from "./participant.ts";

/** What a participant is made to do wrong, to see that sagas stand it. */
export interface InjectedFault {
  readonly participant: string;
  /** Of which verb; all of them where it is left out. */
  readonly verb?: string;
  readonly kind: (typeof kinds)[number];
  /** In which share of its calls, from 0 to 1. */
  readonly share: number;
}

const kinds = ["decline", "slow", "lose-reply", "die"] as const;
const slowMs = 3_000;

/**
 * Reads `<participant>[.<verb>]:<kind>[=<share>]`, several with commas between them, such as `payments.authorise:decline=0.2,stock:die=0.01`.
 * `decline` refuses, and names its verb: an undo must not be declined. `slow` answers after three seconds; `lose-reply` does it, and
 * breaks the connection; `die` does it, and kills the process.
 */
export function parseFaults(text: string): readonly InjectedFault[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const [, participant, verb, kind, share = "1"] = /^([\w-]+)(?:\.([\w-]+))?:([\w-]+)(?:=([\d.]+))?$/.exec(part) ?? [];
      const known = kinds.find((one) => one === kind);
      if (participant === undefined || known === undefined || !(Number(share) >= 0 && Number(share) <= 1)) {
        throw new ConfigError("usage", `'${part}' is no fault`, {
          hint: `Write <participant>[.<verb>]:<kind>[=<share>], such as payments.authorise:decline=0.2; the kinds are ${kinds.join(", ")}.`,
        });
      }
      if (known === "decline" && verb === undefined) {
        throw new ConfigError("usage", `'${part}' would decline undos too, which are tried for ever`, {
          hint: `Name the verb, such as ${participant}.reserve:decline=${share}.`,
        });
      }
      return { participant, ...(verb !== undefined && { verb }), kind: known, share: Number(share) };
    });
}

/** Runs a verb with the faults that are its. */
export async function withFaults<Response>(
  faults: readonly InjectedFault[],
  run: () => Promise<Response>,
  random: () => number = Math.random,
): Promise<Response> {
  const struck = new Set(faults.filter(({ share }) => random() < share).map(({ kind }) => kind));
  if (struck.has("decline")) throw new Refusal("Declined", "it was declined, as it was told to");
  if (struck.has("slow")) await sleep(slowMs);
  const response = await run();
  if (struck.has("die")) process.kill(process.pid, "SIGKILL");
  if (struck.has("lose-reply")) throw new ReplyLost("as it was told to");
  return response;
}
