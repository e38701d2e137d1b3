import { setTimeout as sleep } from "node:timers/promises";
import type { Audit } from "../../../src/engine/audit.ts";
import { type Headrace, startHeadrace, tryHeadrace } from "../../support/headrace.ts";
import { bundleOf } from "../bundle.ts";
import { type Fault, sized } from "../fault.ts";
import { leaseMsOf, type Rig } from "../rig.ts";
import { shopApp } from "../sagas/rig-app.ts";
import { compareShop, makePresses, openShopper, openTemporalClient, type Press } from "../sagas/shop.ts";
import { type BreakableService, startTemporal } from "../services.ts";
import { fillDisk } from "../small-disk.ts";
import { undisturbedClock } from "../undisturbed.ts";
import { type DeadLetterLine, linesOf, type Outputs } from "../verify.ts";

const targets = ["worker", "saga", "participants", "redis", "temporal"] as const;
const settleWithinMs = 240_000;
const shown = 4;

export const sagaFaults: readonly Fault[] = [
  {
    name: "checkouts-under-fire",
    does: "kill -9 of workers, saga workers, participants, Redis and Temporal, in random order, while 1,000 checkouts run (40 in the short form), a fifth of them refused, with participants that lose replies and die",
    expects:
      "money charged is orders placed, cent for cent; stock is conserved; every cart is bought or as before; each checkout has ended once, as it must; no workflow is open, and none needs attention",
    app: shopApp,
    run: (rig) => shopUnder(rig, killAll),
  },
  {
    name: "temporal-stalls",
    does: "SIGSTOP of Temporal for 15 s, then its disk is full for 5 s, while 200 checkouts run, a fifth of them refused",
    expects: "the same: each checkout has ended once, as it must, and none needs attention",
    app: shopApp,
    smallDisk: { service: "temporal", megabytes: 200 },
    wholeOnly: true,
    run: (rig) => shopUnder(rig, stallTemporal),
  },
];

/** What is done while checkouts run, until it is over; resolves with what was done, in words. */
type Fire = (rig: Rig, cast: Cast, isOver: () => boolean) => Promise<string>;

interface Cast {
  readonly temporal: BreakableService;
  readonly troupe: Troupe;
}

async function shopUnder(rig: Rig, fire: Fire) {
  const bundle = await bundleOf(shopApp.directory, rig.directory);
  const temporal = await startTemporal(rig.directory);
  const troupe = new Troupe(rig, `127.0.0.1:${temporal.port}`, bundle);
  const shopper = await openShopper(`redis://127.0.0.1:${rig.producerProxy.port}`);
  try {
    return await underFire(rig, { cast: { temporal, troupe }, shopper, fire });
  } finally {
    await shopper.close();
    await troupe.stop();
    await temporal.close();
  }
}

const killAll: Fire = async (rig, { temporal, troupe }, isOver) => {
  for (let kills = 0; ; ) {
    // Each of them in turn, in an order of its own every time; and each once at least.
    for (const target of shuffled(rig, targets)) {
      await sleep(rig.random.int(800, 3_000));
      if (isOver() && kills >= targets.length) return `${kills} kills`;
      kills++;
      if (target === "redis") await bounce(rig.redisServer);
      else if (target === "temporal") await bounce(temporal);
      else await troupe.kill(target, rig.random.int(0, 1));
    }
  }
};

const stallTemporal: Fire = async (rig, { temporal }) => {
  await sleep(rig.random.int(1_000, 3_000));
  await temporal.freeze();
  await sleep(15_000);
  await temporal.thaw();
  await sleep(rig.random.int(1_000, 3_000));
  await fillDisk(rig, temporal);
  return "Temporal stood still, and had no room";
};

type Books = Readonly<Record<string, number | boolean>>;

async function underFire(
  rig: Rig,
  { cast, shopper, fire }: { cast: Cast; shopper: Awaited<ReturnType<typeof openShopper>>; fire: Fire },
) {
  const { troupe } = cast;
  const many = fire === killAll ? 1_000 : 200;
  const { checkouts, perSecond } = sized(rig, {
    short: { checkouts: 40, perSecond: 5 },
    whole: { checkouts: many, perSecond: 12 },
  });
  await rig.migrate({ TEMPORAL_ADDRESS: troupe.temporalAddress });
  await troupe.start();
  const presses = makePresses(checkouts);
  let isOver = false;
  const firing = fire(rig, cast, () => isOver);
  const since = performance.now();
  const sending: Promise<void>[] = [];
  for (const [i, press] of presses.entries()) {
    const aheadMs = (1_000 * i) / perSecond - (performance.now() - since);
    if (aheadMs > 0) await sleep(aheadMs);
    sending.push(shopper.press(press));
  }
  await Promise.all(sending);
  isOver = true;
  const done = await firing;

  const client = await openTemporalClient(troupe.temporalAddress);
  try {
    let look = await looked();
    // A slow machine takes longer, and is not wrong as long as one after the other ends.
    for (let spent = undisturbedClock(), ended = 0; look.faults.length > 0 && spent() < settleWithinMs; await sleep(1_000)) {
      if (look.ended > ended) spent = undisturbedClock();
      ended = Math.max(ended, look.ended);
      look = await looked();
    }
    rig.note(`${done}; ${look.ended} of ${presses.length} checkouts have ended as they must; ${JSON.stringify(look.books)}`);
    return { outputs: await outputsOf(rig, presses, look), faults: look.faults };
  } finally {
    await client.close();
  }

  async function looked() {
    const unsettled = await rig.drained(60_000);
    const { wrong, ended } = await compareShop(rig, presses, await client.statuses());
    const reconciled = await tryHeadrace(["--cwd", shopApp.directory, "reconcile", "--json"], {
      env: { ...rig.env, TEMPORAL_ADDRESS: troupe.temporalAddress },
    });
    const [books = {}] = reconciled.code <= 1 ? linesOf<Books>(reconciled.stdout) : [];
    const placed = presses.filter(({ reason }) => reason === "").length;
    const faults = [
      ...(unsettled === undefined ? [] : [`not settled: ${unsettled}`]),
      ...wrong.slice(0, shown),
      ...(wrong.length > shown ? [`and ${wrong.length - shown} more`] : []),
      ...(books["balanced"] === true &&
      books["ordersPlaced"] === placed &&
      books["paymentsCaptured"] === placed &&
      books["openSagas"] === 0
        ? []
        : [`the books say ${JSON.stringify(books)} ${reconciled.stderr.slice(0, 300)}`]),
      ...((await client.needingAttention()) === 0 ? [] : ["some still need attention"]),
    ];
    return { faults, ended, books };
  }
}

const bounce = async (service: BreakableService): Promise<void> => {
  await service.kill();
  await sleep(300);
  await service.restart();
};

function shuffled<One>(rig: Rig, all: readonly One[]): readonly One[] {
  return all
    .map((one) => ({ one, place: rig.random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
}

/** The numbers of the report: of checkouts, here. */
async function outputsOf(rig: Rig, presses: readonly Press[], { ended }: { readonly ended: number }): Promise<Outputs> {
  const audits = linesOf<Audit>((await rig.verb("audit", "--json")).stdout);
  const audit = audits.find(({ pipeline }) => pipeline === "carts") as Audit;
  const deadLetters = linesOf<DeadLetterLine>((await rig.verb("dlq", "show", "--json")).stdout);
  return {
    attempted: presses.length,
    acknowledged: presses.length,
    refused: 0,
    landed: ended,
    setAside: deadLetters.length,
    waiting: 0,
    lost: presses.length - ended,
    phantoms: 0,
    visibleDuplicates: 0,
    rawDuplicates: 0,
    unproven: 0,
    places: {},
    wrongAggregates: 0,
    deadLetters,
    stored: presses.length,
    audit: { ...audit, balanced: audits.length > 0 && audits.every(({ balanced }) => balanced) },
    unsettled: undefined,
  };
}

type Role = "worker" | "saga" | "participants";

/** The processes of the application, two of each role: whoever ends is started again, as a supervisor does it. */
class Troupe {
  readonly temporalAddress: string;
  readonly #rig: Rig;
  /** The workflows, as one file. */
  readonly #bundle: string;
  readonly #running = new Map<string, Headrace>();
  readonly #keeping: Promise<void>[] = [];
  #isStopping = false;

  constructor(rig: Rig, temporalAddress: string, bundle: string) {
    this.#rig = rig;
    this.#bundle = bundle;
    this.temporalAddress = temporalAddress;
  }

  async start(): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const role of ["worker", "saga", "participants"] as const) {
      for (const place of [0, 1]) {
        begun.push(
          new Promise((resolve) => {
            this.#keeping.push(this.#keep(role, place, resolve));
          }),
        );
      }
    }
    await Promise.all(begun);
  }

  async kill(role: Role, place: number): Promise<void> {
    await this.#running.get(`${role} ${place}`)?.kill();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    // Sagas need their participants to the end.
    for (const role of ["worker", "saga", "participants"]) {
      const ours = [0, 1].flatMap((place) => this.#running.get(`${role} ${place}`) ?? []);
      await Promise.all(ours.map((one) => one.stop().catch(() => {})));
    }
    await Promise.all(this.#keeping);
  }

  async #keep(role: Role, place: number, isUp: () => void): Promise<void> {
    const args = {
      worker: ["--pipelines", "carts,orders"],
      saga: [],
      participants: ["--fault", "stock:lose-reply=0.03,payments.capture:lose-reply=0.05,orders:die=0.002"],
    }[role];
    while (!this.#isStopping) {
      const started = await startHeadrace(
        ["--cwd", shopApp.directory, "start", "--lease", `${leaseMsOf(this.#rig)}ms`, "--role", role, ...args, "--json"],
        {
          env: { ...this.#rig.env, TEMPORAL_ADDRESS: this.temporalAddress, HEADRACE_WORKFLOW_BUNDLE: this.#bundle },
        },
      ).catch(() => undefined);
      if (started === undefined) {
        // What it needs is down at the moment.
        await sleep(300);
        continue;
      }
      this.#running.set(`${role} ${place}`, started);
      isUp();
      if (this.#isStopping) await started.stop();
      const { process: child } = started;
      await new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) resolve();
        else child.once("exit", () => resolve());
      });
    }
  }
}
