"""Consumer groups with kafka-python and confluent-kafka, as Debian packages them. Usage: kafka_groups.py HOST:PORT CLIENT SCENARIO"""

import os
import signal
import subprocess
import sys
import tempfile
import time

BROKER, CLIENT, SCENARIO = sys.argv[1:4]
PARTITIONS = 6
PATIENCE_S = 60


class KafkaPython:
    """kafka-python."""

    def __init__(self, group, **options):
        from kafka import KafkaConsumer
        self.consumer = KafkaConsumer(
            bootstrap_servers=BROKER, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
            session_timeout_ms=6000, heartbeat_interval_ms=500, max_poll_records=5, **options)

    def subscribe(self, topic):
        self.consumer.subscribe([topic])

    def poll(self):
        batches = self.consumer.poll(timeout_ms=200)
        return [(record.partition, record.offset) for records in batches.values() for record in records]

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class Confluent:
    """confluent-kafka, which is librdkafka."""

    def __init__(self, group, **options):
        from confluent_kafka import Consumer
        settings = {
            "bootstrap.servers": BROKER, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        settings.update({name.replace("_", "."): value for name, value in options.items()})
        self.consumer = Consumer(settings)

    def subscribe(self, topic):
        self.consumer.subscribe([topic])

    def poll(self):
        records = self.consumer.consume(5, timeout=0.2)
        for record in records:
            assert record.error() is None, record.error()
        return [(record.partition(), record.offset()) for record in records]

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


CLIENTS = {"kafka-python": KafkaPython, "confluent": Confluent, "confluent-cooperative": Confluent}


def new_client(group, **options):
    if CLIENT == "confluent-cooperative":
        options["partition_assignment_strategy"] = "cooperative-sticky"
    return CLIENTS[CLIENT](group, **options)


def consume(topic, group, path):
    """What a consumer of the rebalance scenario does until it is ended: reads, notes what it has read, commits, notes that."""
    client = new_client(group)
    client.subscribe(topic)
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    with open(path, "w", buffering=1) as notes:
        while not stopped:
            records = client.poll()
            for partition, offset in records:
                notes.write(f"read {partition} {offset}\n")
            if records:
                try:
                    client.commit()
                except Exception as error:  # A rebalance came between: the records belong to somebody else now.
                    notes.write(f"refused {type(error).__name__}\n")
                    continue
                for partition in {partition for partition, _ in records}:
                    notes.write(f"committed {partition} {max(offset for of, offset in records if of == partition) + 1}\n")
    client.close()


def create(topic):
    from kafka import KafkaAdminClient
    from kafka.admin import NewTopic
    admin = KafkaAdminClient(bootstrap_servers=BROKER)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    return admin


def produce(topic, count):
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=BROKER)
    for i in range(count):
        producer.send(topic, str(i).encode(), partition=i % PARTITIONS)
    producer.flush()
    producer.close()


def wait(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.1)


def committed(admin, group):
    return {key.partition: value.offset for key, value in admin.list_consumer_group_offsets(group).items()}


def notes_of(path):
    with open(path) as notes:
        return [line.split() for line in notes if line.endswith("\n")]


def rebalance():
    """Three consumers share a topic; one is killed; the others go on where it had committed."""
    topic = group = f"rebalance-{CLIENT}"
    admin = create(topic)
    produce(topic, 600)
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(i)) for i in range(3)]
        members = [subprocess.Popen([sys.executable, __file__, BROKER, CLIENT, "consume", topic, group, path]) for path in paths]
        try:
            wait(lambda: sum(committed(admin, group).values()) == 600, "the first records are read")
            wait(lambda: shares(admin, group) == [2, 2, 2], "each member has its share")
            # The members go on while the records come, and one is killed in the middle of it.
            produce(topic, 600)
            members[1].kill()
            members[1].wait()
            produce(topic, 600)
            wait(lambda: committed(admin, group) == {i: 300 for i in range(PARTITIONS)}, "all records are read and committed")
            wait(lambda: shares(admin, group) == [3, 3], "the rest have their shares")
        finally:
            for member in members:
                member.terminate()
            for member in members:
                member.wait()
        wait(lambda: admin.describe_consumer_groups([group])[0].state == "Empty", "the members have left")
        notes = [notes_of(path) for path in paths]
    read = [(int(note[1]), int(note[2])) for member in notes for note in member if note[0] == "read"]
    assert set(read) == {(partition, offset) for partition in range(PARTITIONS) for offset in range(300)}, "some records were not read"
    # What was committed is not read again: each member's reading of a partition begins where some member's commit ended.
    ends = {(int(note[1]), int(note[2])) for member in notes for note in member if note[0] == "committed"} | {(i, 0) for i in range(PARTITIONS)}
    unknown = {(int(note[1]), int(note[2])) for note in notes[1] if note[0] == "read"}
    for member in notes:
        last = {}
        for note in member:
            if note[0] == "read":
                partition, offset = int(note[1]), int(note[2])
                # The killed member may have committed without having lived to note it.
                assert last.get(partition) == offset - 1 or (partition, offset) in ends or (partition, offset - 1) in unknown, f"partition {partition} begins at {offset}"
                last[partition] = offset


def shares(admin, group):
    from kafka.coordinator.protocol import ConsumerProtocolMemberAssignment
    described = admin.describe_consumer_groups([group])[0]
    if described.state != "Stable":
        return []
    assignments = []
    for member in described.members:
        assignment = member.member_assignment
        if isinstance(assignment, bytes):
            assignment = ConsumerProtocolMemberAssignment.decode(assignment)
        assignments.append(sum(len(partitions) for _, partitions in assignment.assignment))
    return sorted(assignments)


def resume():
    """A consumer that comes back goes on where it had committed, and groups do not disturb each other."""
    topic = f"resume-{CLIENT}"
    create(topic)
    produce(topic, 60)
    for group in (f"{topic}-a", f"{topic}-b"):
        seen = []
        for goal in (30, 60):
            client = new_client(group)
            client.subscribe(topic)
            end = time.monotonic() + PATIENCE_S
            while len(seen) < goal:
                assert time.monotonic() < end, f"{len(seen)} records of {goal}"
                records = client.poll()
                seen += records
                if records:
                    client.commit()
            client.close()
        assert len(seen) == len(set(seen)) == 60, f"{len(seen)} records, {len(set(seen))} different ones"


def admin():
    """What an operator does with groups."""
    topic = group = f"admin-{CLIENT}"
    admin_client = create(topic)
    produce(topic, 12)
    client = new_client(group)
    client.subscribe(topic)
    wait(lambda: client.poll() or False, "records")
    client.commit()
    assert (group, "consumer") in admin_client.list_consumer_groups()
    described = admin_client.describe_consumer_groups([group])[0]
    assert (described.state, len(described.members)) == ("Stable", 1), described
    (_, error), = admin_client.delete_consumer_groups([group])
    assert error.__name__ == "NonEmptyGroupError", error
    client.close()
    (_, error), = admin_client.delete_consumer_groups([group])
    assert error.errno == 0, error
    assert (group, "consumer") not in admin_client.list_consumer_groups()


if SCENARIO == "consume":
    consume(*sys.argv[4:])
else:
    {"rebalance": rebalance, "resume": resume, "admin": admin}[SCENARIO]()
    print(f"ok {SCENARIO}")
