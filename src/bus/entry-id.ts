/** Whether entry id `a` comes before `b`. Ids are `<milliseconds>-<sequence>`. */
export function isBefore(a: string, b: string): boolean {
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return aMs === bMs ? Number(aSeq) < Number(bSeq) : Number(aMs) < Number(bMs);
}
