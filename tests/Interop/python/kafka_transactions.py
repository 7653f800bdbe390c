"""Exactly once with confluent-kafka: copies a topic to another in transactions, whatever becomes of the broker meanwhile.

kafka_transactions.py BOOTSTRAP MESSAGES: fills topic "in", copies it to "out", and looks whether every message is in "out" once.
"""
import collections
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
BATCH = 25
PATIENCE = 50


class Copier:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.producer = None
        self.consumer = None
        self.instances = 0
        self.committed = 0
        self.aborted = 0

    def open(self):
        self.instances += 1
        self.producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": "copier", "transaction.timeout.ms": 20000, "reconnect.backoff.max.ms": 200})
        retry(lambda: self.producer.init_transactions(10))
        self.consumer = Consumer({
            "bootstrap.servers": self.bootstrap, "group.id": "copiers", "isolation.level": "read_committed", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "session.timeout.ms": 6000, "reconnect.backoff.max.ms": 200})
        self.consumer.subscribe(["in"])

    def close(self):
        if self.consumer is not None:
            self.consumer.close()
        self.producer = self.consumer = None

    def step(self):
        """One transaction; False if there was nothing to copy."""
        records = [record for record in self.consumer.consume(BATCH, 0.5) if record.error() is None]
        if not records:
            return False
        self.producer.begin_transaction()
        try:
            for record in records:
                self.producer.produce("out", record.value(), partition=(record.partition() + 1) % PARTITIONS)
            positions = self.consumer.position(self.consumer.assignment())
            retry(lambda: self.producer.send_offsets_to_transaction([position for position in positions if position.offset >= 0], self.consumer.consumer_group_metadata(), 10))
            if self.committed % 7 == 6 and self.aborted <= self.committed // 7:
                # Now and then it changes its mind, and begins where it was.
                retry(lambda: self.producer.abort_transaction(10))
                self.aborted += 1
                for partition in {record.partition() for record in records}:
                    self.consumer.seek(TopicPartition("in", partition, min(record.offset() for record in records if record.partition() == partition)))
            else:
                retry(lambda: self.producer.commit_transaction(10))
                self.committed += 1
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                retry(lambda: self.producer.abort_transaction(10))
            raise
        return True

    def is_done(self, messages):
        return sum(max(position.offset, 0) for position in self.consumer.committed([TopicPartition("in", i) for i in range(PARTITIONS)], 5)) == messages


def retry(action):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > end:
                raise


def fill(bootstrap, messages):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in ("in", "out")]).values():
        created.result()
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for i in range(messages):
        producer.produce("in", str(i), partition=i % PARTITIONS)
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0


def copy(bootstrap, messages):
    copier = Copier(bootstrap)
    end = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < end, "not all was copied in time"
        try:
            if copier.producer is None:
                copier.open()
            if not copier.step() and copier.is_done(messages):
                break
        except KafkaException as error:
            # A new instance ends what the one before left, and goes on where that has committed.
            print("begins again:", error, flush=True)
            copier.close()
    copier.close()
    print(f"{copier.committed} transactions, {copier.aborted} rolled back, {copier.instances} instances", flush=True)


def verify(bootstrap, messages):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "verifier", "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition("out", i, 0) for i in range(PARTITIONS)])
    counts = collections.Counter()
    ended = set()
    while len(ended) < PARTITIONS:
        record = consumer.poll(PATIENCE)
        assert record is not None, "nothing comes any more"
        if record.error() is not None:
            ended.add(record.partition())
        else:
            counts[record.value().decode()] += 1
    consumer.close()
    twice = [value for value, count in counts.items() if count > 1]
    missing = [str(i) for i in range(messages) if str(i) not in counts]
    assert not twice and not missing, f"twice: {twice[:20]} ({len(twice)}), missing: {missing[:20]} ({len(missing)})"


if __name__ == "__main__":
    server, count = sys.argv[1], int(sys.argv[2])
    fill(server, count)
    print("copying", flush=True)
    copy(server, count)
    verify(server, count)
    print("exactly once", flush=True)
