import { days, hours, minutes } from "../../core/duration.ts";
import type { SchedulePlan } from "../../plan/schedule.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { RunOrder, WorkflowRun } from "./run.ts";

/** A schedule of the application, as far as it has come. */
export interface ScheduleSeen {
  /** `no workflow`: the test was not given what it starts, so it starts nothing. */
  readonly status: "active" | "paused" | "no workflow";
  /** When it is due next. */
  readonly nextAt: Date;
  /** The ids of the workflows that it has started, in their order. */
  readonly started: readonly string[];
  /** Runs that wait until the one before has ended: only with `overlap: "wait"`. */
  readonly waiting: number;
  /** Runs that were due and left out: the one before was running, with `overlap: "skip"`, or the schedule was paused. */
  readonly skipped: number;
}

/** What may be done to a schedule by hand. */
export interface ScheduleHandle {
  /** Starts a run now, also where it is paused; where one is running, the schedule's `overlap` decides. */
  trigger(): void;
  /** What is due from now on is left out. */
  pause(): void;
  /** Ends that; also a pause after a run that has failed. */
  unpause(): void;
}

export interface ScheduleWorld {
  readonly clock: VirtualClock;
  /** Undefined where a workflow of that id is running already. */
  readonly start: (order: RunOrder) => Promise<WorkflowRun | undefined>;
  /** Whether the test has what it starts. */
  readonly hasWorkflow: boolean;
}

/** A run that is due. */
interface DueRun {
  readonly at: number;
  /** What a person asks for is started in a pause too. */
  readonly byHand: boolean;
}

/** A schedule on the virtual clock. It decides as Temporal's does, and is due to the millisecond: a server spreads daily runs over five minutes. */
export class MemorySchedule implements ScheduleHandle {
  readonly #plan: SchedulePlan;
  readonly #world: ScheduleWorld;
  readonly #started: string[] = [];
  readonly #waiting: DueRun[] = [];
  #skipped = 0;
  #isPaused = false;
  #isRunning = false;

  constructor(plan: SchedulePlan, world: ScheduleWorld) {
    this.#plan = plan;
    this.#world = world;
    if (world.hasWorkflow) void this.#fire();
  }

  get seen(): ScheduleSeen {
    return {
      status: !this.#world.hasWorkflow ? "no workflow" : this.#isPaused ? "paused" : "active",
      nextAt: new Date(dueAfter(this.#plan.when, this.#world.clock.now())),
      started: [...this.#started],
      waiting: this.#waiting.length,
      skipped: this.#skipped,
    };
  }

  trigger(): void {
    this.#take({ at: this.#world.clock.now(), byHand: true });
  }

  pause(): void {
    this.#isPaused = true;
  }

  unpause(): void {
    this.#isPaused = false;
  }

  /** For as long as time goes on. */
  async #fire(): Promise<never> {
    const { clock } = this.#world;
    for (;;) {
      const at = dueAfter(this.#plan.when, clock.now());
      await clock.sleep(at - clock.now());
      this.#take({ at, byHand: false });
    }
  }

  #take(due: DueRun): void {
    if (this.#isPaused && !due.byHand) this.#skipped++;
    else if (!this.#isRunning) void this.#run(due);
    else if (this.#plan.overlap === "wait") this.#waiting.push(due);
    else this.#skipped++;
  }

  /** This one, and then those that have come to wait for it. */
  async #run(first: DueRun): Promise<void> {
    this.#isRunning = true;
    for (let due: DueRun | undefined = first; due; due = this.#waiting.shift()) {
      if (this.#isPaused && !due.byHand) this.#skipped++;
      else await this.#start(due);
    }
    this.#isRunning = false;
  }

  /** Until it has ended. */
  async #start({ at }: DueRun): Promise<void> {
    const { name, workflow: type, taskQueue, input, pauseOnFailure } = this.#plan;
    const workflowId = `${name}-${new Date(at).toISOString().slice(0, 19)}Z`;
    const run = await this.#world.start({
      ...{ type, workflowId, taskQueue, args: input === undefined ? [] : [input] },
      schedule: { name, at: new Date(at) },
    });
    if (!run) {
      this.#skipped++;
      return;
    }
    this.#started.push(workflowId);
    const { kind } = await run.closed;
    if (kind === "failed" && pauseOnFailure) this.pause();
  }
}

/** When a schedule is due next, milliseconds since the epoch. */
function dueAfter(when: SchedulePlan["when"], now: number): number {
  if (when.kind === "every") return (Math.floor(now / when.ms) + 1) * when.ms;
  const inDay = hours(when.hour) + minutes(when.minute);
  return (Math.floor((now - inDay) / days(1)) + 1) * days(1) + inDay;
}
