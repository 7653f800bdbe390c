"""Exactly once with confluent-kafka: copies a topic to another in transactions, whatever becomes of the broker meanwhile.

kafka_transactions.py BOOTSTRAP: fills topic "in" until its standard input ends, copies it to "out" and prints "committed" after each transaction,
then looks whether every message is in "out" once.
"""
import collections
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
BATCH = 25
PATIENCE = 50
AHEAD = 200


class Copier:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.producer = None
        self.consumer = None
        self.instances = 0
        self.committed = 0
        self.copied = 0
        self.aborted = 0
        self.history = []  # What each transaction held and what became of it, to tell when the result is not right.

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
        transaction = {"records": [(record.partition(), record.offset(), record.value().decode()) for record in records]}
        self.history.append(transaction)
        try:
            for record in records:
                self.producer.produce("out", record.value(), partition=(record.partition() + 1) % PARTITIONS)
            # Of these records only: for a partition that was sought back and not read since, the client's position is still the one before.
            ends = {record.partition(): record.offset() + 1 for record in records}
            transaction["offsets"] = ends
            retry(lambda: self.producer.send_offsets_to_transaction([TopicPartition("in", partition, end) for partition, end in ends.items()], self.consumer.consumer_group_metadata(), 10))
            if self.committed % 7 == 6 and self.aborted <= self.committed // 7:
                # Now and then it changes its mind, and begins where it was.
                retry(lambda: self.producer.abort_transaction(10))
                self.aborted += 1
                transaction["end"] = "rolled back"
                for partition in {record.partition() for record in records}:
                    self.consumer.seek(TopicPartition("in", partition, min(record.offset() for record in records if record.partition() == partition)))
            else:
                retry(lambda: self.producer.commit_transaction(10))
                self.committed += 1
                transaction["end"] = "committed"
                self.copied += len(records)
                print("committed", flush=True)
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


class Filler(threading.Thread):
    """Fills "in" with numbers, a little ahead of the copier, until the standard input ends."""

    def __init__(self, bootstrap, copier):
        super().__init__(daemon=True)
        self.copier = copier
        self.messages = 0
        self.is_done = False
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for created in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in ("in", "out")]).values():
            created.result()
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "reconnect.backoff.max.ms": 200})

    def run(self):
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        while not ended.is_set():
            while self.messages < self.copier.copied + AHEAD:
                self.producer.produce("in", str(self.messages), partition=self.messages % PARTITIONS)
                self.messages += 1
            self.producer.poll(0.01)
        assert self.producer.flush(PATIENCE) == 0
        self.is_done = True


def copy(bootstrap):
    """Returns the copier, and how many messages there were to copy."""
    copier = Copier(bootstrap)
    filler = Filler(bootstrap, copier)
    filler.start()
    end = None
    while True:
        if filler.is_done:
            end = end or time.monotonic() + PATIENCE
            assert time.monotonic() < end, "not all was copied in time"
        assert filler.is_alive() or filler.is_done, "not all was sent"
        try:
            if copier.producer is None:
                copier.open()
            if not copier.step() and filler.is_done and copier.is_done(filler.messages):
                break
        except KafkaException as error:
            # A new instance ends what the one before left, and goes on where that has committed.
            print("begins again:", error, flush=True)
            copier.close()
    copier.close()
    print(f"{filler.messages} messages, {copier.committed} transactions, {copier.aborted} rolled back, {copier.instances} instances", flush=True)
    return copier, filler.messages


def read_out(bootstrap, isolation):
    """All of "out": where each value is."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "verifier", "isolation.level": isolation, "enable.partition.eof": True})
    consumer.assign([TopicPartition("out", i, 0) for i in range(PARTITIONS)])
    places = collections.defaultdict(list)
    ended = set()
    while len(ended) < PARTITIONS:
        record = consumer.poll(PATIENCE)
        assert record is not None, "nothing comes any more"
        if record.error() is not None:
            ended.add(record.partition())
        else:
            places[record.value().decode()].append((record.partition(), record.offset()))
    consumer.close()
    return places


def verify(bootstrap, copier, messages):
    places = read_out(bootstrap, "read_committed")
    twice = [value for value, found in places.items() if len(found) > 1]
    missing = [str(i) for i in range(messages) if str(i) not in places]
    if twice or missing:
        every = read_out(bootstrap, "read_uncommitted")
        for value in (missing + twice)[:3]:
            print(f"{value}: committed at {places.get(value)}, in all at {every.get(value)}", flush=True)
            for number, transaction in enumerate(copier.history):
                if any(record[2] == value for record in transaction["records"]):
                    print(f"  in transaction {number} of {len(copier.history)}, which was {transaction.get('end', 'broken off')}, with offsets {transaction.get('offsets')}: {transaction['records']}", flush=True)
    assert not twice and not missing, f"twice: {twice[:20]} ({len(twice)}), missing: {missing[:20]} ({len(missing)})"


if __name__ == "__main__":
    verify(sys.argv[1], *copy(sys.argv[1]))
    print("exactly once", flush=True)
