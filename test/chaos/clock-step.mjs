// Preloaded into a worker: at SIGUSR2 its wall clock jumps by CHAOS_CLOCK_STEP_MS. Its monotonic clock goes on.
const stepMs = Number(process.env.CHAOS_CLOCK_STEP_MS);
const RealDate = Date;
let ahead = 0;

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + ahead);
    else super(...args);
  }

  static now() {
    return RealDate.now() + ahead;
  }
};

process.on("SIGUSR2", () => {
  ahead = stepMs;
  process.stderr.write(`clock stepped by ${stepMs} ms\n`);
});
