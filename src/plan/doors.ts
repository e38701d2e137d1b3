import { type DoorPlan, defaultDoor } from "./door.ts";
import { type AppPlan, type StreamPlan, sinksOf } from "./plan.ts";

/** The streams of an application that a collector takes events for, with their doors: those that nobody closed and no pipeline writes. */
export function doorsOf({
  pipelines,
  streams,
}: Pick<AppPlan, "pipelines" | "streams">): readonly (readonly [StreamPlan, DoorPlan])[] {
  const written = new Set(
    pipelines
      .flatMap((pipeline) => Object.values(sinksOf(pipeline)))
      .flatMap((sink) => (sink.kind === "stream" ? [sink.stream.name] : [])),
  );
  return streams.flatMap((stream) => {
    const { door = written.has(stream.name) ? "closed" : defaultDoor, layout } = stream;
    return door === "closed" || layout.kind === "adopted" ? [] : [[stream, door] as const];
  });
}

/** What a collector takes for a stream, in a line for people. */
export function describeDoor(
  { name }: StreamPlan,
  { maxBytes, maxInflatedBytes, maxEvents, maxEventBytes, origins, rateLimit, durability }: DoorPlan,
): string {
  const limit = rateLimit ? `, ${rateLimit.perSecond} events a second of an address` : "";
  const pages = origins.length === 0 ? "" : `, pages of ${origins.join(" and ")}`;
  return `door    ${name} (up to ${maxEvents} events and ${maxBytes} bytes a request, ${maxInflatedBytes} inflated, ${maxEventBytes} an event; stored in ${durability}${limit}${pages})`;
}
