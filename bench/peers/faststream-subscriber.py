"""The job for FastStream: a batch subscriber, whose handler inserts; FastStream acks the batch when the handler returns."""
import asyncio
import json
import os

import httpx
import orjson
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

broker = RedisBroker(os.environ["REDIS_URL"], logger=None)
app = FastStream(broker, logger=None)
clickhouse = httpx.AsyncClient(base_url=os.environ["CLICKHOUSE_URL"])
insert = {"query": "INSERT INTO login_events FORMAT JSONEachRow"}
stream = StreamSub(
    os.environ["STREAM"], group=os.environ["GROUP"], consumer="one", batch=True, max_records=1000, polling_interval=500
)


@broker.subscriber(stream=stream, no_reply=True)
async def insert_logins(entries: list[dict]) -> None:
    rows = b"\n".join(orjson.dumps(to_row(orjson.loads(entry["data"]))) for entry in entries)
    (await clickhouse.post("/", params=insert, content=rows)).raise_for_status()


def to_row(event: dict) -> dict:
    data = event["data"]
    succeeded = event["type"] == "login.succeeded"
    row = {
        "event_id": event["id"],
        "user_id": data["userId"],
        "outcome": "success" if succeeded else "failure",
        "at": event["time"].replace("T", " ").replace("Z", ""),
        "ip": data["ip"],
        "source": "app-logins",
    }
    # As the application's schema has it: a failed login has neither session nor device nor country.
    if succeeded:
        row |= {"session_id": data["sessionId"], "device": data["device"], "country": data["country"]}
    return row


@app.after_startup
async def say_ready() -> None:
    print(json.dumps({"ready": True}), flush=True)


asyncio.run(app.run())
