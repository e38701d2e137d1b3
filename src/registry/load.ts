import type { Load } from "./port.ts";

/** Measures this process. Each call of what it returns looks back to the one before. */
export function loadMeter(): () => Load {
  let at = performance.now();
  let used = process.cpuUsage();
  return () => {
    const now = performance.now();
    const spent = process.cpuUsage(used);
    const cpu = (spent.user + spent.system) / 1_000 / Math.max(1, now - at);
    at = now;
    used = process.cpuUsage();
    return { cpu: Math.round(cpu * 100) / 100, rssBytes: process.memoryUsage.rss() };
  };
}
