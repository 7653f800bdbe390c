"""Data synchronisation: every change of a table goes to a compacted topic, the change feed, under the row's key. Replicas, also one
that comes late, read the feed and have the same table. The feed stays as small as the table: a key's older changes are compacted away.

Any Kafka client will do; this is confluent-kafka for Python (Debian: python3-confluent-kafka).
    KAFKA_BOOTSTRAP=localhost:9092 python3 replicate.py
"""
import json
import os
import random
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP", "localhost:9092")
FEED = "customers-" + uuid.uuid4().hex[:8]
ROWS, CHANGES = 200, 20_000


class Source:
    """The table that is written to. A change and its entry in the feed go together."""

    def __init__(self):
        self.table = {}
        self.feed = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 5})

    def change(self, key, row):
        if row is None:
            self.table.pop(key, None)
        else:
            self.table[key] = row
        self.feed.produce(FEED, key=key, value=None if row is None else json.dumps(row))
        self.feed.poll(0)

    def change_at_random(self, count):
        for _ in range(count):
            key = f"customer-{random.randrange(ROWS)}"
            self.change(key, None if random.random() < 0.1 else {"name": f"name {random.randrange(1000)}", "city": random.choice(["Jena", "Kassel", "Lüneburg"])})
        self.feed.flush()


class Replica:
    """A copy of the table, and how far it has read the feed."""

    def __init__(self):
        self.table = {}
        self.records = 0
        self.consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "replica", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        self.consumer.assign([TopicPartition(FEED, 0, 0)])

    def catch_up(self):
        _, end = self.consumer.get_watermark_offsets(TopicPartition(FEED, 0))
        quiet = 0
        while quiet < 3:
            record = self.consumer.poll(0.5)
            if record is None:
                quiet += 1
                continue
            quiet = 0
            self.records += 1
            if record.value() is None:
                self.table.pop(record.key().decode(), None)
            else:
                self.table[record.key().decode()] = json.loads(record.value())
            if record.offset() == end - 1:
                return


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    settings = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}
    admin.create_topics([NewTopic(FEED, 1, 1, config=settings)])[FEED].result(10)
    source, early = Source(), Replica()
    source.change_at_random(CHANGES // 2)
    early.catch_up()
    print("the early replica equals its source:", early.table == source.table)
    source.change_at_random(CHANGES // 2)
    early.catch_up()
    print("and again after more changes:", early.table == source.table)

    # Until the feed is compacted; the broker looks every few seconds.
    deadline = time.monotonic() + 90
    late = Replica()
    late.catch_up()
    while late.records > CHANGES // 4 and time.monotonic() < deadline:
        time.sleep(2)
        source.change("heartbeat", {"at": time.time()})
        source.feed.flush()
        late = Replica()
        late.catch_up()
    early.catch_up()
    print("a replica that comes late equals its source:", late.table == source.table and early.table == source.table)
    print("it had to read less than a quarter of the", CHANGES, "changes:", late.records < CHANGES // 4)
    admin.delete_topics([FEED])[FEED].result(10)


main()
