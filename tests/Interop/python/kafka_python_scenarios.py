"""kafka-python's ways of using a broker, one scenario by name. Arguments: host:port, scenario. Prints "ok <scenario>" at the end."""
import sys
import time
import uuid

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.codec import has_gzip, has_lz4, has_snappy
from kafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

servers, scenario = sys.argv[1], sys.argv[2]
run = uuid.uuid4().hex[:8]
topic = f"kafkapython.{scenario}.{run}"
admin = KafkaAdminClient(bootstrap_servers=servers)


def eventually(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def create(partitions=1, config=None):
    admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config or {})])
    eventually(lambda: topic in admin.list_topics(), "the topic is not listed")


def send(values, partition=0, **config):
    sender = KafkaProducer(bootstrap_servers=servers, retries=5, **config)
    results = [sender.send(topic, value, partition=partition) for value in values]
    sender.flush(30)
    offsets = [result.get(20).offset for result in results]
    sender.close(10)
    return offsets


def consumer(*topics, **config):
    return KafkaConsumer(*topics, **{"bootstrap_servers": servers, "auto_offset_reset": "earliest", "enable_auto_commit": False, "group_id": f"group.{run}", **config})


def take(reader, count):
    got = []
    deadline = time.monotonic() + 30
    while len(got) < count:
        assert time.monotonic() < deadline, f"only {len(got)} of {count} came"
        for records in reader.poll(timeout_ms=500).values():
            got += records
    return got


def assigned(partition=0, **config):
    reader = consumer(group_id=None, **config)
    reader.assign([TopicPartition(topic, partition)])
    reader.seek_to_beginning()
    return reader


def hello():
    assert send([b"Hello World!"]) == [0]
    reader = consumer(topic)
    assert take(reader, 1)[0].value == b"Hello World!"
    reader.close()


def assignment():
    create(partitions=3)
    for partition in range(3):
        send([f"{partition}-{i}".encode() for i in range(100)], partition)
    reader = consumer(group_id=None)
    reader.assign([TopicPartition(topic, 0), TopicPartition(topic, 2)])
    reader.seek(TopicPartition(topic, 0), 50)
    reader.seek_to_beginning(TopicPartition(topic, 2))
    got = take(reader, 150)
    assert [m.value for m in got if m.partition == 0] == [f"0-{i}".encode() for i in range(50, 100)]
    assert [m.value for m in got if m.partition == 2] == [f"2-{i}".encode() for i in range(100)]
    assert reader.end_offsets([TopicPartition(topic, 1)]) == {TopicPartition(topic, 1): 100}
    assert reader.beginning_offsets([TopicPartition(topic, 1)]) == {TopicPartition(topic, 1): 0}
    reader.close()


def group():
    create(partitions=2)
    send([b"a", b"b"], 0)
    send([b"c"], 1)
    first = consumer(topic)
    assert sorted(m.value for m in take(first, 3)) == [b"a", b"b", b"c"]
    first.commit()
    first.close()
    send([b"d"], 1)
    second = consumer(topic)
    assert take(second, 1)[0].value == b"d"
    second.close()


def rebalance():
    create(partitions=4)
    members = [consumer(topic, session_timeout_ms=6000, heartbeat_interval_ms=500) for _ in range(2)]
    deadline = time.monotonic() + 40
    import threading
    stop = threading.Event()
    # Each has to poll while the other joins.
    def poll(member):
        while not stop.is_set():
            member.poll(timeout_ms=100)
    threads = [threading.Thread(target=poll, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    try:
        while [len(member.assignment()) for member in members] != [2, 2]:
            assert time.monotonic() < deadline, [member.assignment() for member in members]
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    members[0].close()
    while len(members[1].assignment()) != 4:
        assert time.monotonic() < deadline, members[1].assignment()
        members[1].poll(timeout_ms=100)
    members[1].close()


def commits():
    create()
    send([b"a", b"b", b"c"])
    reader = consumer(topic)
    take(reader, 3)
    reader.commit({TopicPartition(topic, 0): OffsetAndMetadata(2, "noted")})
    assert reader.committed(TopicPartition(topic, 0), metadata=True) == OffsetAndMetadata(2, "noted")
    reader.close()
    offsets = admin.list_consumer_group_offsets(f"group.{run}")
    assert offsets[TopicPartition(topic, 0)].offset == 2, offsets
    again = consumer(topic)
    assert take(again, 1)[0].value == b"c"
    again.close()


def compression():
    create()
    codecs = [None] + [codec for codec, has in (("gzip", has_gzip()), ("snappy", has_snappy()), ("lz4", has_lz4())) if has]
    expected = []
    for codec in codecs:
        values = [f"{codec} {i} {'x' * 100}".encode() for i in range(200)]
        send(values, compression_type=codec, linger_ms=20)
        expected += values
    reader = assigned()
    assert [m.value for m in take(reader, len(expected))] == expected
    reader.close()


def headers():
    create()
    sender = KafkaProducer(bootstrap_servers=servers)
    sender.send(topic, b"v", key=b"k", headers=[("a", b"1"), ("a", b"2"), ("empty", b"")], timestamp_ms=1_700_000_000_123)
    sender.send(topic, None, key=b"gone")
    sender.flush()
    sender.close()
    reader = assigned()
    first, second = take(reader, 2)
    assert first.headers == [("a", b"1"), ("a", b"2"), ("empty", b"")], first.headers
    assert (first.key, first.timestamp, first.timestamp_type) == (b"k", 1_700_000_000_123, 0)
    assert (second.key, second.value) == (b"gone", None)
    reader.close()


def times():
    create()
    sender = KafkaProducer(bootstrap_servers=servers)
    for i in range(10):
        sender.send(topic, str(i).encode(), timestamp_ms=1_700_000_000_000 + 1000 * i)
    sender.flush()
    sender.close()
    reader = assigned()
    partition = TopicPartition(topic, 0)
    assert reader.offsets_for_times({partition: 1_700_000_004_500})[partition].offset == 5
    assert reader.offsets_for_times({partition: 1_800_000_000_000})[partition] is None
    reader.close()


def large():
    create(config={"max.message.bytes": "6000000"})
    send([b"x" * size for size in (0, 1, 65_536, 1_000_000, 5_000_000)], max_request_size=9_000_000)
    reader = assigned(max_partition_fetch_bytes=100_000)
    assert [len(m.value) for m in take(reader, 5)] == [0, 1, 65_536, 1_000_000, 5_000_000]
    reader.close()
    try:
        send([b"x" * 7_000_000], max_request_size=9_000_000)
    except MessageSizeTooLargeError:
        return
    raise AssertionError("a message larger than the topic takes was taken")


def batches():
    create(partitions=2)
    for partition in range(2):
        assert send([str(i).encode() for i in range(5000)], partition, linger_ms=5) == list(range(5000))
        reader = assigned(partition)
        assert [int(m.value) for m in take(reader, 5000)] == list(range(5000))
        reader.close()


def admin_():
    create(partitions=3)
    described = admin.describe_topics([topic])[0]
    assert len(described["partitions"]) == 3, described
    assert len(admin.describe_cluster()["brokers"]) == 1
    try:
        create()
        raise AssertionError("a topic was made twice")
    except TopicAlreadyExistsError:
        pass
    reader = consumer(topic)
    reader.poll(timeout_ms=5000)
    eventually(lambda: any(name == f"group.{run}" for name, _ in admin.list_consumer_groups()), "the group is not listed")
    assert admin.describe_consumer_groups([f"group.{run}"])[0].group == f"group.{run}"
    reader.close()
    admin.delete_topics([topic])
    eventually(lambda: topic not in admin.list_topics(), "the topic is still listed")


def configs():
    create(config={"retention.ms": "123456"})

    def retention():
        response = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])[0]
        return {config[0]: config[1] for config in response.resources[0][4]}["retention.ms"]

    assert retention() == "123456"
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "654321"})])
    eventually(lambda: retention() == "654321", "the configuration has not changed")


def partitions():
    create()
    admin.create_partitions({topic: NewPartitions(4)})
    eventually(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 4, "no more partitions")
    send([b"there"], 3)
    reader = assigned(3)
    assert take(reader, 1)[0].value == b"there"
    reader.close()


{"admin": admin_}.get(scenario, globals().get(scenario))()
print(f"ok {scenario}")
