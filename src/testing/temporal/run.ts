import {
  arrayFromPayloads,
  CancelledFailure,
  ChildWorkflowFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  type Headers,
  TerminatedFailure,
  toPayloads,
  WorkflowNotFoundError,
} from "@temporalio/common";
import { tsToMs } from "@temporalio/common/lib/time.js";
import { ConfigError } from "../../core/errors.ts";
import { ActivityCall, type ActivityCallDeps, type CallingWorkflow } from "./activity-call.ts";
import { type Command, type Job, type Workflow, WorkflowRuntime } from "./runtime.ts";

/** How a run ended. `broken`: its own code has thrown; a worker would try that task again until the code is mended. */
export type RunEnd =
  | { readonly kind: "completed"; readonly result: unknown }
  | { readonly kind: "failed" | "broken"; readonly error: unknown }
  | { readonly kind: "cancelled" };

export interface RunOrder {
  readonly type: string;
  readonly workflowId: string;
  readonly taskQueue: string;
  readonly args: readonly unknown[];
  /** Which schedule has started it, and when it was due. */
  readonly schedule?: { readonly name: string; readonly at: Date };
  /** Those of the call that starts it. @default none */
  readonly headers?: Headers;
}

/** What a run needs of the server. */
export interface WorkflowRunDeps extends ActivityCallDeps {
  readonly workflows: Readonly<Record<string, Workflow>>;
  /** Starts another; undefined where one of that id is there already. */
  readonly start: (order: RunOrder) => WorkflowRun | undefined;
  readonly find: (workflowId: string) => WorkflowRun | undefined;
  readonly newRunId: () => string;
}

type Update = ReturnType<typeof withResolvers<unknown>>;

/** A workflow that runs in memory: it is told what happens, and what it decides is done. */
export class WorkflowRun {
  readonly #world: WorkflowRunDeps;
  readonly #ended: (end: RunEnd) => void;
  readonly #timers = new Map<number, AbortController>();
  readonly #calls = new Map<number, ActivityCall>();
  readonly #children = new Map<number, WorkflowRun>();
  /** What becomes of a child when this one ends: as in Temporal's protocol, 1 it is ended, 2 nothing, 3 it is cancelled. */
  readonly #closePolicies = new Map<WorkflowRun, number>();
  readonly #updates = new Map<string, Update>();
  #order: RunOrder;
  #caller: CallingWorkflow;
  #runtime: WorkflowRuntime;
  #news: Job[] = [];
  #begins = false;
  /** Whether it has begun: one that is started with a delay begins later. */
  hasBegun = false;
  #deciding: Promise<void> | undefined;
  /** Undefined while it runs. */
  end: RunEnd | undefined;
  /** Resolves when it has ended; never rejects. */
  readonly closed: Promise<RunEnd>;

  constructor(order: RunOrder, world: WorkflowRunDeps) {
    this.#world = world;
    this.#order = order;
    const { promise, resolve } = withResolvers<RunEnd>();
    this.closed = promise;
    this.#ended = resolve;
    [this.#caller, this.#runtime] = this.#open(order);
  }

  get order(): RunOrder {
    return this.#order;
  }

  get searchAttributes(): Readonly<Record<string, unknown>> {
    return this.#runtime.info.searchAttributes;
  }

  /** Activities that are being tried, or will be within so many milliseconds. */
  busyWithin(ms: number): boolean {
    return this.#deciding !== undefined || [...this.#calls.values()].some(({ waitsMs = 0 }) => waitsMs < ms);
  }

  begin(): void {
    this.#begins = true;
    this.hasBegun = true;
    this.#tell();
  }

  cancel(): void {
    this.#tell({ variant: "cancelWorkflow", cancelWorkflow: { reason: "test" } });
  }

  signal(name: string, args: readonly unknown[], headers: Headers = {}): void {
    const input = toPayloads(defaultPayloadConverter, ...args) ?? [];
    this.#tell({ variant: "signalWorkflow", signalWorkflow: { signalName: name, input, headers } });
  }

  /** The same id is the same update. Rejects with what the handler or its validator has thrown. */
  update(
    name: string,
    args: readonly unknown[],
    { id = this.#world.newRunId(), headers = {} }: { readonly id?: string; readonly headers?: Headers } = {},
  ): Promise<unknown> {
    const known = this.#updates.get(id);
    if (known) return known.promise;
    const { promise, resolve, reject } = withResolvers<unknown>();
    this.#updates.set(id, { promise, resolve, reject });
    const input = toPayloads(defaultPayloadConverter, ...args) ?? [];
    const doUpdate = { id, protocolInstanceId: id, name, input, headers, runValidator: true };
    this.#tell({ variant: "doUpdate", doUpdate });
    return promise;
  }

  /** Whether it answers a query of this name. */
  answers(name: string): boolean {
    return this.#runtime.answers(name);
  }

  query(name: string, args: readonly unknown[] = []): unknown {
    return this.#runtime.query(name, args);
  }

  /** What it decides otherwise when it is replayed: undefined where nothing. */
  replay(): Promise<string | undefined> {
    return this.#runtime.replay();
  }

  #open(order: RunOrder): [CallingWorkflow, WorkflowRuntime] {
    const { type, workflowId, taskQueue, args, schedule, headers = {} } = order;
    const workflow = this.#world.workflows[type];
    if (!workflow) {
      throw new ConfigError("usage", `there is no workflow '${type}'`, {
        hint: `Give it to the test beside ${Object.keys(this.#world.workflows).join(", ") || "the others"}.`,
      });
    }
    const caller = { workflowId, runId: this.#world.newRunId(), workflowType: type, taskQueue };
    return [caller, new WorkflowRuntime({ ...caller, workflow, type, args, schedule, headers, now: this.#world.clock.now() })];
  }

  /** Ends it where it is. */
  terminate(): void {
    if (!this.end) this.#close({ kind: "failed", error: new TerminatedFailure("terminated") });
  }

  #tell(...jobs: readonly Job[]): void {
    if (this.end) return;
    this.#news.push(...jobs);
    if (!this.hasBegun) return;
    this.#deciding ??= this.#decideAll();
  }

  async #decideAll(): Promise<void> {
    do {
      // What happens at once is told at once.
      await Promise.resolve();
      const jobs = this.#news.splice(0);
      this.#begins = false;
      try {
        for (const command of await this.#runtime.decide(this.#world.clock.now(), jobs)) this.#obey(command);
      } catch (error) {
        this.#close({ kind: "broken", error });
      }
    } while ((this.#begins || this.#news.length > 0) && !this.end);
    // In the same turn as the look at the news: what comes later begins anew.
    this.#deciding = undefined;
  }

  #obey(command: Command): void {
    const { startTimer, cancelTimer, requestCancelActivity, requestCancelLocalActivity, updateResponse } = command;
    if (startTimer) this.#startTimer(seqOf(startTimer), tsToMs(startTimer.startToFireTimeout));
    else if (cancelTimer) this.#timers.get(seqOf(cancelTimer))?.abort();
    else if (command.scheduleActivity) this.#call(seqOf(command.scheduleActivity), command.scheduleActivity);
    else if (command.scheduleLocalActivity)
      this.#call(seqOf(command.scheduleLocalActivity), command.scheduleLocalActivity as never);
    else if (requestCancelActivity) this.#cancelCall(seqOf(requestCancelActivity));
    else if (requestCancelLocalActivity) this.#cancelCall(seqOf(requestCancelLocalActivity));
    else if (updateResponse) this.#answer(updateResponse);
    else if (command.startChildWorkflowExecution) this.#startChild(command.startChildWorkflowExecution);
    else if (command.cancelChildWorkflowExecution)
      this.#children.get(command.cancelChildWorkflowExecution.childWorkflowSeq ?? 0)?.cancel();
    else if (command.signalExternalWorkflowExecution) this.#signalOther(command.signalExternalWorkflowExecution);
    else if (command.requestCancelExternalWorkflowExecution) this.#cancelOther(command.requestCancelExternalWorkflowExecution);
    else this.#conclude(command);
  }

  /** What ends it, and what a server would only write down. */
  #conclude(command: Command): void {
    const { completeWorkflowExecution, failWorkflowExecution, cancelWorkflowExecution, continueAsNewWorkflowExecution } = command;
    if (completeWorkflowExecution) this.#close({ kind: "completed", result: resultOf(completeWorkflowExecution.result) });
    else if (failWorkflowExecution) this.#close({ kind: "failed", error: errorOf(failWorkflowExecution.failure) });
    else if (cancelWorkflowExecution) this.#close({ kind: "cancelled" });
    else if (continueAsNewWorkflowExecution) {
      const { workflowType, arguments: input, taskQueue, headers } = continueAsNewWorkflowExecution;
      this.#stop();
      this.#order = {
        ...this.#order,
        type: workflowType || this.#order.type,
        taskQueue: taskQueue || this.#order.taskQueue,
        args: arrayFromPayloads(defaultPayloadConverter, input),
        headers: headers ?? {},
      };
      [this.#caller, this.#runtime] = this.#open(this.#order);
      this.#begins = true;
    } else if (
      !("upsertWorkflowSearchAttributes" in command || "setPatchMarker" in command || "modifyWorkflowProperties" in command)
    )
      throw new ConfigError("usage", `workflow '${this.#order.type}': ${Object.keys(command)[0]} is not known in memory`, {
        hint: "Test this workflow on Temporal's time-skipping server.",
      });
  }

  #startTimer(seq: number, ms: number): void {
    const stop = new AbortController();
    this.#timers.set(seq, stop);
    void this.#world.clock.sleep(ms, stop.signal).then(() => {
      this.#timers.delete(seq);
      if (!stop.signal.aborted) this.#tell({ variant: "fireTimer", fireTimer: { seq } });
    });
  }

  #call(seq: number, order: NonNullable<Command["scheduleActivity"]>): void {
    const call = new ActivityCall(order, this.#caller, this.#world);
    this.#calls.set(seq, call);
    const isOurs = () => this.#calls.get(seq) === call;
    void call.resolve().then((result) => {
      if (!result || !isOurs()) return;
      this.#calls.delete(seq);
      this.#tell({ variant: "resolveActivity", resolveActivity: { seq, result } });
    });
  }

  #cancelCall(seq: number): void {
    const result = this.#calls.get(seq)?.cancel();
    if (!result) return;
    this.#calls.delete(seq);
    this.#tell({ variant: "resolveActivity", resolveActivity: { seq, result } });
  }

  #answer({ protocolInstanceId, completed, rejected }: NonNullable<Command["updateResponse"]>): void {
    const update = this.#updates.get(protocolInstanceId ?? "");
    if (rejected) update?.reject(errorOf(rejected));
    else if (completed) update?.resolve(resultOf(completed));
  }

  #startChild(order: NonNullable<Command["startChildWorkflowExecution"]>): void {
    const [seq, workflowId, workflowType] = [seqOf(order), order.workflowId ?? "", order.workflowType ?? ""];
    const args = arrayFromPayloads(defaultPayloadConverter, order.input);
    const child = this.#world.start({
      type: workflowType,
      workflowId,
      taskQueue: order.taskQueue ?? this.#order.taskQueue,
      args,
      headers: order.headers ?? {},
    });
    if (!child) {
      // 1: a workflow of this id runs.
      const failed = { workflowId, workflowType, cause: 1 };
      this.#tell({ variant: "resolveChildWorkflowExecutionStart", resolveChildWorkflowExecutionStart: { seq, failed } });
      return;
    }
    this.#children.set(seq, child);
    this.#closePolicies.set(child, order.parentClosePolicy || 1);
    const succeeded = { runId: child.#caller.runId };
    this.#tell({ variant: "resolveChildWorkflowExecutionStart", resolveChildWorkflowExecutionStart: { seq, succeeded } });
    void child.closed.then((end) => {
      const result = this.#childResult(end, child.order);
      this.#tell({ variant: "resolveChildWorkflowExecution", resolveChildWorkflowExecution: { seq, result } });
    });
  }

  #childResult(end: RunEnd, { workflowId, type }: RunOrder) {
    if (end.kind === "completed") return { completed: { result: defaultPayloadConverter.toPayload(end.result) } };
    const cause = end.kind === "cancelled" ? new CancelledFailure("CANCELLED") : (end.error as Error);
    const execution = { workflowId, runId: "" };
    const failure = failed(new ChildWorkflowFailure("default", execution, type, "NON_RETRYABLE_FAILURE", cause));
    return end.kind === "cancelled" ? { cancelled: { failure } } : { failed: { failure } };
  }

  #signalOther({
    seq,
    workflowExecution,
    childWorkflowId,
    signalName,
    args,
    headers,
  }: NonNullable<Command["signalExternalWorkflowExecution"]>) {
    const workflowId = childWorkflowId ?? workflowExecution?.workflowId ?? "";
    const other = this.#world.find(workflowId);
    other?.signal(signalName ?? "", arrayFromPayloads(defaultPayloadConverter, args), headers ?? {});
    const resolveSignalExternalWorkflow = { seq: seq ?? 0, ...notFound(other, workflowId) };
    this.#tell({ variant: "resolveSignalExternalWorkflow", resolveSignalExternalWorkflow });
  }

  #cancelOther({ seq, workflowExecution }: NonNullable<Command["requestCancelExternalWorkflowExecution"]>) {
    const workflowId = workflowExecution?.workflowId ?? "";
    const other = this.#world.find(workflowId);
    other?.cancel();
    const resolveRequestCancelExternalWorkflow = { seq: seq ?? 0, ...notFound(other, workflowId) };
    this.#tell({ variant: "resolveRequestCancelExternalWorkflow", resolveRequestCancelExternalWorkflow });
  }

  #stop(): void {
    for (const timer of this.#timers.values()) timer.abort();
    for (const call of this.#calls.values()) call.giveUp();
    for (const map of [this.#timers, this.#calls]) map.clear();
  }

  #close(end: RunEnd): void {
    this.#stop();
    for (const { reject } of this.#updates.values()) reject(new Error("the workflow has ended"));
    this.end = end;
    for (const [child, policy] of this.#closePolicies) {
      if (policy === 1) child.terminate();
      if (policy === 3) child.cancel();
    }
    this.#ended(end);
  }
}

const seqOf = ({ seq }: { readonly seq?: number | null }): number => seq ?? 0;
const resultOf = (payload: unknown): unknown =>
  payload == null ? undefined : defaultPayloadConverter.fromPayload(payload as never);
const errorOf = (failure: unknown): unknown => defaultFailureConverter.failureToError(failure as never, defaultPayloadConverter);
const failed = (error: unknown) => defaultFailureConverter.errorToFailure(error, defaultPayloadConverter);
const notFound = (other: WorkflowRun | undefined, workflowId: string) =>
  other && !other.end
    ? {}
    : { failure: failed(new WorkflowNotFoundError(`there is no workflow '${workflowId}'`, workflowId, undefined)) };

function withResolvers<Value>() {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
