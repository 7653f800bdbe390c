"""confluent-kafka's ways of using a broker, one scenario by name. Arguments: host:port, scenario. Prints "ok <scenario>" at the end."""
import sys
import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

servers, scenario = sys.argv[1], sys.argv[2]
run = uuid.uuid4().hex[:8]
topic = f"confluent.{scenario}.{run}"
admin = AdminClient({"bootstrap.servers": servers})


def wait(futures):
    return {name: future.result(20) for name, future in futures.items()}


def create(name=topic, partitions=1, config=None):
    wait(admin.create_topics([NewTopic(name, partitions, 1, config=config or {})]))
    # It is there when the answer comes; clients of a cluster may hear of it a little later.
    deadline = time.monotonic() + 20
    while len(getattr(admin.list_topics(timeout=10).topics.get(name), "partitions", {})) != partitions:
        assert time.monotonic() < deadline, "the topic is not listed"


def producer(**config):
    return Producer({"bootstrap.servers": servers, **config})


def send(values, partition=0, to=topic, **config):
    errors = []
    sender = producer(**config)
    for value in values:
        sender.produce(to, value, partition=partition, on_delivery=lambda error, message: errors.append(error) if error else None)
        sender.poll(0)
    assert sender.flush(20) == 0
    assert not errors, errors


def consumer(group=None, **config):
    return Consumer({"bootstrap.servers": servers, "group.id": group or f"group.{run}", "auto.offset.reset": "earliest", "enable.auto.commit": False, **config})


def take(reader, count):
    got = []
    deadline = time.monotonic() + 30
    while len(got) < count:
        assert time.monotonic() < deadline, f"only {len(got)} of {count} came"
        message = reader.poll(0.5)
        if message is None:
            continue
        assert message.error() is None, message.error()
        got.append(message)
    return got


def assigned(offset=OFFSET_BEGINNING, partition=0, **config):
    reader = consumer(**config)
    reader.assign([TopicPartition(topic, partition, offset)])
    return reader


def hello():
    # The topic is made by the first use.
    send([b"Hello World!"])
    reader = consumer()
    reader.subscribe([topic])
    message = take(reader, 1)[0]
    assert (message.value(), message.offset(), message.partition()) == (b"Hello World!", 0, 0)
    reader.close()


def assignment():
    create(partitions=3)
    for partition in range(3):
        send([f"{partition}-{i}".encode() for i in range(100)], partition)
    reader = consumer()
    reader.assign([TopicPartition(topic, 0, 50), TopicPartition(topic, 2, OFFSET_BEGINNING)])
    got = take(reader, 150)
    assert [m.value() for m in got if m.partition() == 0] == [f"0-{i}".encode() for i in range(50, 100)]
    assert [m.value() for m in got if m.partition() == 2] == [f"2-{i}".encode() for i in range(100)]
    reader.seek(TopicPartition(topic, 0, 98))
    assert [m.value() for m in take(reader, 2)] == [b"0-98", b"0-99"]
    assert reader.get_watermark_offsets(TopicPartition(topic, 1), timeout=10) == (0, 100)
    reader.close()


def group():
    create(partitions=2)
    send([b"a", b"b"], 0)
    send([b"c"], 1)
    first = consumer()
    first.subscribe([topic])
    assert sorted(m.value() for m in take(first, 3)) == [b"a", b"b", b"c"]
    first.commit(asynchronous=False)
    first.close()
    send([b"d"], 1)
    second = consumer()
    second.subscribe([topic])
    assert take(second, 1)[0].value() == b"d"
    second.close()


def rebalance():
    create(partitions=4)
    members = [consumer(**{"session.timeout.ms": 6000}) for _ in range(2)]
    for member in members:
        member.subscribe([topic])
    deadline = time.monotonic() + 40
    while [len(member.assignment()) for member in members] != [2, 2]:
        assert time.monotonic() < deadline, [member.assignment() for member in members]
        for member in members:
            member.poll(0.1)
    members[0].close()
    while len(members[1].assignment()) != 4:
        assert time.monotonic() < deadline, members[1].assignment()
        members[1].poll(0.1)
    members[1].close()


def commits():
    create()
    send([b"a", b"b", b"c"])
    reader = assigned()
    take(reader, 3)
    reader.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    assert reader.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == 2
    reader.close()
    again = consumer()
    again.subscribe([topic])
    assert take(again, 1)[0].value() == b"c"
    again.close()


def compression():
    create()
    expected = []
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        values = [f"{codec} {i} {'x' * 100}".encode() for i in range(200)]
        send(values, **{"compression.type": codec, "linger.ms": 50})
        expected += values
    reader = assigned(**{"check.crcs": True})
    assert [m.value() for m in take(reader, len(expected))] == expected
    reader.close()


def headers():
    create()
    sender = producer()
    sender.produce(topic, b"v", key=b"k", headers=[("a", b"1"), ("a", b"2"), ("none", None), ("empty", b"")], timestamp=1_700_000_000_123)
    sender.produce(topic, None, key=b"gone")
    sender.flush(20)
    reader = assigned()
    first, second = take(reader, 2)
    assert first.headers() == [("a", b"1"), ("a", b"2"), ("none", None), ("empty", b"")], first.headers()
    assert (first.key(), first.timestamp()) == (b"k", (1, 1_700_000_000_123))
    assert (second.key(), second.value()) == (b"gone", None)
    reader.close()


def times():
    create()
    sender = producer()
    for i in range(10):
        sender.produce(topic, str(i), timestamp=1_700_000_000_000 + 1000 * i)
    sender.flush(20)
    reader = consumer()
    found = reader.offsets_for_times([TopicPartition(topic, 0, 1_700_000_004_500)], timeout=10)
    assert found[0].offset == 5, found
    found = reader.offsets_for_times([TopicPartition(topic, 0, 1_800_000_000_000)], timeout=10)
    assert found[0].offset == -1, found
    reader.close()


def large():
    create(config={"max.message.bytes": "6000000"})
    send([bytes([size % 251]) * size for size in (0, 1, 65_536, 1_000_000, 5_000_000)], **{"message.max.bytes": 6_000_000})
    reader = assigned(**{"fetch.message.max.bytes": 100_000})
    assert [len(m.value()) for m in take(reader, 5)] == [0, 1, 65_536, 1_000_000, 5_000_000]
    reader.close()
    try:
        send([b"x" * 7_000_000], **{"message.max.bytes": 9_000_000})
    except AssertionError as refused:
        assert "MSG_SIZE_TOO_LARGE" in str(refused), refused
    else:
        raise AssertionError("a message larger than the topic takes was taken")


def batches():
    create(partitions=2)
    sender = producer(**{"linger.ms": 5, "acks": "1"})
    for i in range(50_000):
        while True:
            try:
                sender.produce(topic, str(i).encode(), partition=i % 2)
                break
            except BufferError:
                sender.poll(0.1)
    assert sender.flush(30) == 0
    for partition in range(2):
        reader = assigned(partition=partition)
        assert [int(m.value()) for m in take(reader, 25_000)] == list(range(partition, 50_000, 2))
        reader.close()


def idempotence():
    create()
    send([str(i).encode() for i in range(5000)], **{"enable.idempotence": True, "batch.num.messages": 20})
    reader = assigned()
    assert [int(m.value()) for m in take(reader, 5000)] == list(range(5000))
    reader.close()


def admin_():
    create(partitions=3)
    metadata = admin.list_topics(timeout=10)
    assert len(metadata.brokers) == 1 and len(metadata.topics[topic].partitions) == 3
    try:
        create(partitions=3)
    except KafkaException as error:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS", error
    else:
        raise AssertionError("a topic was made twice")
    wait(admin.delete_topics([topic]))
    deadline = time.monotonic() + 20
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
    assert isinstance(admin.list_groups(timeout=10), list)


def configs():
    create(config={"retention.ms": "123456"})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    found = list(wait(admin.describe_configs([resource])).values())[0]
    assert (found["retention.ms"].value, found["cleanup.policy"].value) == ("123456", "delete")
    wait(admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"retention.ms": "654321"})]))
    deadline = time.monotonic() + 20
    while list(wait(admin.describe_configs([resource])).values())[0]["retention.ms"].value != "654321":
        assert time.monotonic() < deadline


def partitions():
    create()
    wait(admin.create_partitions([NewPartitions(topic, 4)]))
    deadline = time.monotonic() + 20
    while len(admin.list_topics(timeout=10).topics[topic].partitions) != 4:
        assert time.monotonic() < deadline
    send([b"there"], 3)
    reader = assigned(partition=3)
    assert take(reader, 1)[0].value() == b"there"
    reader.close()


def delete_records():
    # librdkafka has it in C; Debian's confluent-kafka does not offer it. What is left is to read from an offset that is gone.
    create()
    send([b"a", b"b"])
    reader = assigned(offset=100, **{"auto.offset.reset": "earliest"})
    assert [m.value() for m in take(reader, 2)] == [b"a", b"b"]
    reader.close()


{"admin": admin_, "deleteRecords": delete_records}.get(scenario, globals().get(scenario))()
print(f"ok {scenario}")
