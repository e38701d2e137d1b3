import type { Bus, Commit, Fence } from "../../src/bus/port.ts";

/**
 * The bus with commits numbered by themselves: one whose number is 0 gets the next of its owner, and keeps it when it is sent again. For
 * tests that have other things in mind than the chain.
 */
export function numbered<Driver extends Bus>(bus: Driver): Driver {
  const last = new Map<string, { number: number; commit: Commit | undefined }>();
  const commit = async (fence: Fence, commit: Commit) => {
    if (commit.number > 0) return bus.commit(fence, commit);
    // The tenures of two leases may be alike: each lease draws its own. A log and its replay log are under one.
    const lease = `${fence.partition.prefix} ${fence.pipeline} ${fence.tenure}`;
    const before = last.get(lease) ?? { number: 0, commit: undefined };
    const number = before.commit === commit ? before.number : before.number + 1;
    const made = await bus.commit(fence, { ...commit, number });
    if (made === "committed") last.set(lease, { number, commit });
    return made;
  };
  return new Proxy(bus, {
    get(target, property: keyof Bus) {
      if (property === "commit") return commit;
      const value = target[property];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
