"""The windows of apps/tumbling for Bytewax: logins of each key counted by the hour, the counts appended to a Redis stream."""
import json
import os
import signal
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
import redis
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

total = int(sys.argv[1])
client = redis.Redis.from_url(os.environ["REDIS_URL"])
stream, counts = os.environ["STREAM"], "bytewax:counts"


def say(line: dict) -> None:
    print(json.dumps(line), flush=True)


class Logins(StatefulSourcePartition):
    """Reads plain entries; where it goes on is part of each snapshot."""

    def __init__(self, after: str | None) -> None:
        self.after, self.read = after or "0", 0

    def next_batch(self) -> list[dict]:
        if self.read >= total:
            raise StopIteration
        found = client.xread({stream: self.after}, count=1000)
        entries = found[0][1] if found else []
        if entries:
            self.after = entries[-1][0].decode()
        self.read += len(entries)
        # All is done when the flow has ended, and not before.
        say({"done": min(self.read, total - 1)})
        return [orjson.loads(fields[b"data"]) for _, fields in entries]

    def snapshot(self) -> str:
        return self.after


class Source(FixedPartitionedSource):
    def list_parts(self) -> list[str]:
        return ["one"]

    def build_part(self, step_id: str, for_part: str, resume_state: str | None) -> Logins:
        return Logins(resume_state)


class Counts(StatelessSinkPartition):
    def write_batch(self, items: list) -> None:
        with client.pipeline(transaction=False) as pipe:
            for key, (_, logins) in items:
                pipe.xadd(counts, {"data": orjson.dumps({"key": key, "logins": logins})})
            pipe.execute()


class Sink(DynamicSink):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> Counts:
        return Counts()


def time_of(event: dict) -> datetime:
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00"))


def key_of(event: dict) -> str:
    return f"{event['data']['userId']}/{time_of(event).hour}"


flow = Dataflow("tumbling")
logins = op.input("logins", flow, Source())
# Windows of the past close when input or the end says so: woken by the system's time, all keys would be looked at after each batch.
clock = EventClock(time_of, wait_for_system_duration=timedelta(0), to_system_utc=lambda _: None)
hours = TumblingWindower(length=timedelta(hours=1), align_to=datetime(2020, 1, 1, tzinfo=timezone.utc))
keyed = op.key_on("key", logins, key_of)
counted = win.fold_window("count", keyed, clock, hours, lambda: 0, lambda count, _: count + 1, lambda one, other: one + other)
op.output("counts", counted.down, Sink())

with tempfile.TemporaryDirectory() as directory:
    init_db_dir(Path(directory), 1)
    say({"ready": True, "done": 0})
    # Its default: a snapshot of the states every ten seconds, from which it goes on after a crash.
    run_main(flow, epoch_interval=timedelta(seconds=10), recovery_config=RecoveryConfig(directory))
    say({"done": total, "counts": client.xlen(counts)})
    signal.pause()
