import { ApplicationFailure } from "@temporalio/common";
import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, RetryableError } from "../core/errors.ts";
import { halvedIn, isHalved } from "../core/half-character.ts";
import { isRecord } from "../core/is-record.ts";
import type { Logger } from "../core/log.ts";
import { problemType } from "../core/problem-type.ts";
import type { Registry, RegistryView } from "../registry/port.ts";
import type { ClientOf, Participant } from "./participant.ts";
import { participantHeader } from "./protocol.ts";

export interface CallerDeps {
  readonly registry: Pick<Registry, "watch">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What participants want to see. @default no token is sent */
  readonly token?: string | undefined;
  /** Ends a call that its activity no longer waits for. @default there is none */
  readonly signalOfCall?: () => AbortSignal | undefined;
  /** The `traceparent` that goes with a call, as the header of this name. @default there is none */
  readonly traceparentOfCall?: () => string | undefined;
}

/** How long one address may take to answer, milliseconds: two of them fit into a try of an activity. */
const answerWithinMs = 4_000;
const breaker = { failures: 3, openMs: 5_000 } as const;
/** How many addresses one call tries. */
const addressesTried = 2;
/** What says no for good, as the problem that a participant makes of it. Anything else may be better next time, or elsewhere: a verb may be too new for an address, and a proxy before it may have problems of its own. */
const refusals = new Set([400, 409, 413, 422]);
/** How long a call waits for the first look at the registry, milliseconds. */
const firstLookMs = 2_000;

/**
 * Calls participants where the registry says that they are alive. A call goes to their addresses in turn; where one does not answer
 * it goes on to a second one, which is safe, since the verbs stand repeats. An address that fails again and again is left alone for a while.
 */
export class Caller {
  readonly #deps: CallerDeps;
  readonly #stop = new AbortController();
  readonly #breakers = new Map<string, Breaker>();
  readonly #watching: Promise<void>;
  #firstLook: () => void = () => {};
  readonly #looked = new Promise<void>((resolve) => {
    this.#firstLook = resolve;
  });
  #view: RegistryView;
  #turn = 0;

  constructor(deps: CallerDeps) {
    this.#deps = deps;
    this.#watching = deps.registry.watch((view) => this.#see(view), this.#stop.signal);
  }

  /** A participant, by its name, with its verbs as methods. */
  client<P extends Participant>(name: P["name"]): ClientOf<P> {
    const call = (verb: string) => (request: unknown) => this.#call({ participant: name, verb, request });
    return new Proxy(
      {},
      { get: (_, verb) => (typeof verb === "string" && verb !== "then" ? call(verb) : undefined) },
    ) as ClientOf<P>;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  #see(view: RegistryView): void {
    // Where nobody can tell who is alive, those who were are still tried.
    if (view) this.#view = view;
    this.#firstLook();
  }

  /**
   * @throws ApplicationFailure, not retryable, with the type of a refusal; RetryableError `service.unreachable` when nobody is there
   *   or nobody answers
   */
  async #call(asked: { readonly participant: string; readonly verb: string; readonly request: unknown }): Promise<unknown> {
    const { participant } = asked;
    const addresses = await this.#addressesOf(participant);
    let failure: unknown;
    let tried = 0;
    for (const address of addresses) {
      const guard = this.#breakerOf(participant, address);
      if (!guard.enter()) continue;
      try {
        const answer = await this.#ask(address, asked);
        guard.succeeded();
        return answer;
      } catch (error) {
        if (error instanceof ApplicationFailure) {
          guard.succeeded();
          throw error;
        }
        guard.failed();
        failure = error;
        if (++tried === addressesTried || this.#deps.signalOfCall?.()?.aborted) break;
      }
    }
    throw new RetryableError("service.unreachable", `'${participant}' ${whyNot(asked.verb, { addresses, failure })}`, {
      cause: failure,
      hint: "Start it with 'headrace start --role participants'; 'headrace ps' shows who is alive.",
    });
  }

  /** All addresses, another one first each time. */
  async #addressesOf(participant: string): Promise<readonly string[]> {
    if (this.#view === undefined) await Promise.race([this.#looked, this.#deps.clock.sleep(firstLookMs)]);
    const alive = (this.#view ?? []).flatMap(({ state, addresses }) => {
      const address = addresses[participant];
      return state === "running" && address !== undefined ? [address] : [];
    });
    const first = alive.length === 0 ? 0 : this.#turn++ % alive.length;
    return [...alive.slice(first), ...alive.slice(0, first)];
  }

  #breakerOf(participant: string, address: string): Breaker {
    const name = `${participant} at ${address}`;
    const { clock, logger } = this.#deps;
    const guard = this.#breakers.get(name) ?? new Breaker({ name, ...breaker }, { clock, logger });
    this.#breakers.set(name, guard);
    return guard;
  }

  async #ask(
    address: string,
    { participant, verb, request }: { participant: string; verb: string; request: unknown },
  ): Promise<unknown> {
    const { token, traceparentOfCall } = this.#deps;
    const traceparent = traceparentOfCall?.();
    const signals = [AbortSignal.timeout(answerWithinMs), this.#deps.signalOfCall?.()].filter((one) => one !== undefined);
    const response = await fetch(`${address}/${participant}/${verb}`, {
      method: "POST",
      // Nowhere else: neither the request nor the token is for whom a participant names.
      redirect: "error",
      headers: {
        "content-type": "application/json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(traceparent !== undefined && { traceparent }),
      },
      body: JSON.stringify(request),
      signal: AbortSignal.any(signals),
    });
    if (response.headers.get(participantHeader) !== participant) {
      await response.body?.cancel();
      throw new Error(`${address} answers ${response.status}, and is not '${participant}'`);
    }
    const answer: unknown = await response.json();
    // The streams that it is written to in the end would refuse it, when it is too late to ask again.
    if (isHalved(answer)) throw new Error(`${address}: ${halvedIn("answer")}`);
    if (response.ok) return answer;
    const { type = "Refused", detail = response.statusText } = problemOf(answer);
    if (refusals.has(response.status) && response.headers.get("content-type")?.startsWith(problemType)) {
      // Benign: an expected answer of the business, not an error for logs and metrics.
      throw ApplicationFailure.create({ type, message: detail, nonRetryable: true, category: "BENIGN" });
    }
    throw new Error(`${response.status} ${detail}`);
  }
}

function whyNot(
  verb: string,
  { addresses, failure }: { readonly addresses: readonly string[]; readonly failure: unknown },
): string {
  if (failure !== undefined) return `does not answer '${verb}': ${messageOf(failure)}`;
  return addresses.length === 0
    ? "is not alive, as the registry has it"
    : "has failed again and again, and is left alone for some seconds";
}

/** What a problem says, as application/problem+json has it. */
function problemOf(answer: unknown): { readonly type?: string; readonly detail?: string } {
  if (!isRecord(answer)) return {};
  const { type, detail } = answer;
  return { ...(typeof type === "string" && { type }), ...(typeof detail === "string" && { detail }) };
}
