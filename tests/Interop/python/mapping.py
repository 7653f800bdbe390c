"""One message, several protocols: pika and confluent-kafka at one broker, as docs/protocols/mapping.md says.

mapping.py AMQP_PORT KAFKA_BOOTSTRAP SCENARIO
"""
import sys
import time

import pika
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

PATIENCE = 20


class Broker:
    def __init__(self, port, bootstrap):
        self.bootstrap = bootstrap
        self.parameters = pika.ConnectionParameters("127.0.0.1", port)
        self.connection = pika.BlockingConnection(self.parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def topic(self, name, partitions=1):
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(PATIENCE)

    def produce(self, topic, *records, partition=0, **settings):
        """Records are dicts of what Producer.produce takes. Returns the errors."""
        errors = []
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 1000, **settings})
        producer.list_topics(topic, PATIENCE)  # Once it knows the partition, records wait together: one batch.
        for record in records:
            producer.produce(topic, partition=partition, on_delivery=lambda error, _: errors.append(error) if error else None, **record)
        equal(0, producer.flush(PATIENCE), "records not answered")
        return errors

    def fetch(self, topic, count, partition=0, offset=0):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "mapping", "enable.auto.commit": False, "auto.offset.reset": "error"})
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            records = []
            deadline = time.monotonic() + PATIENCE
            while len(records) < count and time.monotonic() < deadline:
                record = consumer.poll(0.5)
                if record is not None:
                    if record.error():
                        raise KafkaException(record.error())
                    records.append(record)
            equal(count, len(records), "records of " + topic)
            return records
        finally:
            consumer.close()

    def grow(self, topic, partitions):
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.create_partitions([NewPartitions(topic, partitions)]).values():
            future.result(PATIENCE)

    def subscribe(self, topic, count):
        """What a consumer group gets from all partitions: lists of (key, value) by partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"all-{time.monotonic_ns()}", "auto.offset.reset": "earliest", "enable.auto.commit": False})
        try:
            consumer.subscribe([topic])
            partitions = {}
            deadline = time.monotonic() + PATIENCE
            while sum(map(len, partitions.values())) < count and time.monotonic() < deadline:
                record = consumer.poll(0.5)
                if record is not None:
                    if record.error():
                        raise KafkaException(record.error())
                    partitions.setdefault(record.partition(), []).append((record.key(), record.value()))
            equal(count, sum(map(len, partitions.values())), "records of " + topic)
            return partitions
        finally:
            consumer.close()

    def as_kafka_would(self, partitions, sent):
        """The same as subscribe gives, of a topic to which a Kafka producer sends what is given with Java's default partitioner."""
        topic = f"reference-{time.monotonic_ns()}"
        self.topic(topic, partitions)
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        for key, value in sent:
            producer.produce(topic, key=key, value=value)
        equal(0, producer.flush(PATIENCE), "records not answered")
        return self.subscribe(topic, len(sent))

    def refused(self, code, what):
        """Does something that closes the channel with this code; returns the text. The channel is a new one then."""
        try:
            what(self.channel)
        except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker) as error:
            equal(code, error.reply_code, "reply code")
            if self.connection.is_closed:
                self.connection = pika.BlockingConnection(self.parameters)
            self.channel = self.connection.channel()
            self.channel.confirm_delivery()
            return error.reply_text
        raise AssertionError(f"not refused with {code}")

    def consume(self, queue, count, arguments=None):
        """Takes messages and acknowledges them."""
        self.channel.basic_qos(prefetch_count=100)
        messages = []
        for method, properties, body in self.channel.consume(queue, inactivity_timeout=PATIENCE, arguments=arguments):
            if method is None:
                break
            messages.append((method, properties, body))
            self.channel.basic_ack(method.delivery_tag)
            if len(messages) == count:
                break
        self.channel.cancel()
        equal(count, len(messages), "messages of " + queue)
        return messages

    def stream(self, queue, count):
        return self.consume(queue, count, {"x-stream-offset": "first"})


def equal(expected, actual, what):
    if expected != actual:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def headers(record):
    return [(name, value) for name, value in record.headers() or []]


def kafka_to_stream(broker):
    broker.topic("records")
    equal([], broker.produce(
        "records",
        dict(key=b"k1", value=b"v1", timestamp=1_700_000_000_123, headers=[("h", b"text"), ("bin", b"\xff\x00"), ("none", None), ("twice", b"1"), ("twice", b"2"), ("amqp.content-type", b"text/plain"), ("amqp.message-id", b"m-1")]),
        dict(key=b"\xfe\xff", value=b""),
        dict(value=b"v3")), "errors")
    first, second, third = broker.stream("records", 3)
    method, properties, body = first
    equal((b"v1", "k1", ""), (body, method.routing_key, method.exchange), "first record")
    equal(("text/plain", "m-1", 2, 1_700_000_000), (properties.content_type, properties.message_id, properties.delivery_mode, properties.timestamp), "properties")
    equal({"h": "text", "bin": b"\xff\x00", "none": None, "twice": ["1", "2"], "x-kafka-key": "k1", "x-kafka-timestamp": 1_700_000_000_123, "x-stream-offset": 0}, properties.headers, "headers")
    equal((b"", ""), (second[2], second[0].routing_key), "second record")
    equal((b"\xfe\xff", 1), (second[1].headers["x-kafka-key"], second[1].headers["x-stream-offset"]), "second headers")
    equal(False, "x-kafka-key" in third[1].headers, "a key where there is none")


def amqp_to_topic(broker):
    broker.channel.queue_declare("events", durable=True, arguments={"x-queue-type": "stream"})
    broker.channel.exchange_declare("sources", "topic", durable=True)
    broker.channel.queue_bind("events", "sources", "#")
    sent = pika.BasicProperties(
        content_type="text/plain", content_encoding="utf-8", headers={"s": "text", "n": 7, "b": True, "none": None, "table": {"a": 1}}, delivery_mode=2, priority=3, correlation_id="c-1",
        reply_to="r", message_id="m-1", timestamp=1_700_000_000, type="t", app_id="app")
    broker.channel.basic_publish("sources", "a.b", b"body", sent)
    broker.channel.basic_publish("", "events", b"own key", pika.BasicProperties(headers={"x-kafka-key": "mine"}))
    broker.channel.basic_publish("", "events", b"bare")
    first, second, third = broker.fetch("events", 3)
    equal((b"body", b"a.b"), (first.value(), first.key()), "first message")
    seen = dict(headers(first))
    equal({"amqp.content-type": b"text/plain", "amqp.content-encoding": b"utf-8", "amqp.delivery-mode": b"2", "amqp.priority": b"3", "amqp.correlation-id": b"c-1", "amqp.reply-to": b"r", "amqp.message-id": b"m-1",
           "amqp.timestamp": b"1700000000", "amqp.type": b"t", "amqp.app-id": b"app", "s": b"text", "n": b"7", "b": b"true", "none": None},
          {name: value for name, value in seen.items() if name not in ("to", "amqp")}, "headers")
    equal((b"own key", b"mine"), (second.value(), second.key()), "second message")
    equal((b"bare", None), (third.value(), third.key()), "third message")
    (method, properties, body), *_ = broker.stream("events", 3)
    equal((b"body", "sources", "a.b"), (body, method.exchange, method.routing_key), "what AMQP gets back")
    del properties.headers["x-stream-offset"]
    equal(sent, properties, "properties that AMQP gets back")


def kafka_to_queue(broker):
    broker.channel.queue_declare("work", durable=True)
    record = dict(key=b"k", value=b"v", timestamp=1_700_000_000_123, headers=[("h", b"text"), ("amqp.type", b"order")])
    equal([], broker.produce("work", record, dict(key=b"gone", value=None), dict(value=b"third"), acks="all"), "errors")

    # A reader of the log takes nothing, and sees what went in.
    first, tombstone, third = broker.fetch("work", 3)
    equal((b"k", b"v", (1, 1_700_000_000_123), [("h", b"text"), ("amqp.type", b"order")]), (first.key(), first.value(), first.timestamp(), headers(first)), "first record read back")
    equal((b"gone", None), (tombstone.key(), tombstone.value()), "tombstone")
    (method, properties, body), *_ = broker.consume("work", 2)
    equal((b"v", "work", "", "order", 2), (body, method.routing_key, method.exchange, properties.type, properties.delivery_mode), "message")
    equal({"h": "text", "x-kafka-key": "k", "x-kafka-timestamp": 1_700_000_000_123}, properties.headers, "headers")

    # What is settled is a hole for who reads from before it.
    equal([2], [record.offset() for record in broker.fetch("work", 1)], "offsets left")
    equal([b"third"], [body for _, _, body in broker.consume("work", 1)], "what was left")


def amqp_queue_read_by_kafka(broker):
    broker.channel.queue_declare("inbox", durable=True, arguments={"x-queue-type": "quorum"})
    for number in range(5):
        broker.channel.basic_publish("", "inbox", b"m%d" % number, pika.BasicProperties(message_id=str(number), headers={"n": number}))
    records = broker.fetch("inbox", 5)
    equal([(b"m%d" % number, number, b"%d" % number) for number in range(5)], [(record.value(), record.offset(), dict(headers(record))["n"]) for record in records], "records")
    equal([3, 4], [record.offset() for record in broker.fetch("inbox", 2, offset=3)], "from the middle")
    equal({"inbox"}, {topic for topic in AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=PATIENCE).topics if topic == "inbox"}, "topics listed")
    broker.consume("inbox", 5)


def limits_of_a_queue(broker):
    broker.channel.exchange_declare("dead", "fanout", durable=True)
    broker.channel.queue_declare("letters", durable=True)
    broker.channel.queue_bind("letters", "dead")
    broker.channel.queue_declare("short", durable=True, arguments={"x-max-length": 2, "x-dead-letter-exchange": "dead"})
    equal([], broker.produce("short", *[dict(key=b"k", value=b"%d" % number, headers=[("n", b"%d" % number)]) for number in range(5)]), "errors")
    equal([b"0", b"1", b"2"], [body for _, _, body in broker.consume("letters", 3)], "dropped at the head")
    equal([b"3", b"4"], [record.value() for record in broker.fetch("short", 2)], "what is left")

    broker.channel.queue_declare("brief", durable=True, arguments={"x-message-ttl": 50, "x-dead-letter-exchange": "dead"})
    equal([], broker.produce("brief", dict(key=b"k", value=b"late", timestamp=1, headers=[("h", b"1")])), "errors")
    (_, properties, body), = broker.consume("letters", 1)
    equal((b"late", "expired", "k", "1"), (body, properties.headers["x-death"][0]["reason"], properties.headers["x-kafka-key"], properties.headers["h"]), "expired")

    # All or none, and not at all into transactions.
    broker.channel.queue_declare("full", durable=True, arguments={"x-max-length": 3, "x-overflow": "reject-publish"})
    equal([], broker.produce("full", dict(value=b"1"), dict(value=b"2")), "errors")
    errors = broker.produce("full", dict(value=b"3"), dict(value=b"4"))
    equal(["POLICY_VIOLATION"] * 2, [error.name() for error in errors], "errors of what is too much")
    equal([], broker.produce("full", dict(value=b"5")), "errors")
    equal([b"1", b"2", b"5"], [body for _, _, body in broker.consume("full", 3)], "what the queue took")


def priorities(broker):
    broker.channel.queue_declare("urgent", durable=True, arguments={"x-max-priority": 2})
    for partition in range(3):
        equal([], broker.produce("urgent", dict(value=b"%d" % partition), partition=partition), "errors")
    equal([b"1"], [record.value() for record in broker.fetch("urgent", 1, partition=1)], "priority 1")
    equal([b"2", b"1", b"0"], [body for _, _, body in broker.consume("urgent", 3)], "by priority")


KEYS = ["order-%d" % number for number in range(40)]


def publish_keys(broker, exchange, round):
    """Mandatory, so that what goes nowhere is an error. Half of the keys are routing keys, the others a header."""
    sent = []
    for number, key in enumerate(KEYS):
        body = b"%s %s" % (key.encode(), round)
        if number % 2:
            broker.channel.basic_publish(exchange, key, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
        else:
            broker.channel.basic_publish(exchange, "any", body, pika.BasicProperties(delivery_mode=2, headers={"x-kafka-key": key}), mandatory=True)
        sent.append((key.encode(), body))
    return sent


def amqp_to_partitions(broker):
    broker.topic("orders", 4)
    broker.channel.exchange_declare("shop", "topic", durable=True)
    broker.channel.exchange_declare("shop.all", "fanout", durable=True)
    broker.channel.exchange_bind("shop.all", "shop", "#")
    broker.channel.queue_bind("orders", "shop.all")
    sent = publish_keys(broker, "shop", b"1") + publish_keys(broker, "shop", b"2")
    got = broker.subscribe("orders", len(sent))
    equal({0, 1, 2, 3}, set(got), "partitions used")
    equal(broker.as_kafka_would(4, sent), got, "records by partition")

    # In a transaction as outside; nothing of what is rolled back.
    tx = broker.connection.channel()
    tx.tx_select()
    tx.basic_publish("shop", "order-1", b"rolled back")
    tx.tx_rollback()
    tx.basic_publish("shop", "order-1", b"a")
    tx.basic_publish("shop", "order-2", b"b")
    tx.tx_commit()
    sent += [(b"order-1", b"a"), (b"order-2", b"b")]
    equal(broker.as_kafka_would(4, sent), broker.subscribe("orders", len(sent)), "records with those of a transaction")

    # Without a key each confirmed message goes to the next partition.
    broker.topic("spread", 4)
    for number in range(8):
        broker.channel.basic_publish("", "spread", b"%d" % number)
    equal({0: 2, 1: 2, 2: 2, 3: 2}, {partition: len(records) for partition, records in broker.subscribe("spread", 8).items()}, "records by partition")
    broker.channel.queue_unbind("orders", "shop.all")
    try:
        broker.channel.basic_publish("shop", "order-1", b"unroutable", mandatory=True)
        raise AssertionError("not returned")
    except pika.exceptions.UnroutableError:
        pass


def partitions_added(broker):
    broker.topic("growing", 1)
    broker.channel.exchange_declare("growth", "topic", durable=True)
    broker.channel.queue_bind("growing", "growth", "#")
    sent = publish_keys(broker, "growth", b"1")
    equal({0: sent}, broker.subscribe("growing", len(sent)), "records of one partition")
    broker.grow("growing", 4)
    more = publish_keys(broker, "growth", b"2")
    expected = broker.as_kafka_would(4, more)
    expected[0] = sent + expected[0]
    equal(expected, broker.subscribe("growing", len(sent + more)), "records by partition")


def topic_by_name(broker):
    broker.topic("named", 3)
    broker.channel.basic_publish("", "named", b"1")
    equal((1, 0), (lambda declared: (declared.message_count, declared.consumer_count))(broker.channel.queue_declare("named", passive=True).method), "counts")
    broker.channel.basic_qos(prefetch_count=10)
    equal(True, "'named:0'" in broker.refused(406, lambda channel: channel.basic_qos(prefetch_count=10) or channel.basic_consume("named", print)), "what to do")
    broker.refused(540, lambda channel: channel.basic_get("named"))
    broker.refused(540, lambda channel: channel.queue_purge("named"))
    broker.refused(406, lambda channel: channel.queue_declare("named", durable=True))
    broker.refused(403, lambda channel: channel.queue_delete("named:1"))
    broker.refused(406, lambda channel: channel.queue_delete("named", if_empty=True))
    broker.channel.queue_bind("named", "amq.fanout")
    equal(1, broker.channel.queue_delete("named").method.message_count, "records deleted")
    equal(False, "named" in AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=PATIENCE).topics, "the topic")


def before_restart(broker):
    broker.topic("kept", 4)
    broker.channel.exchange_declare("keeper", "topic", durable=True)
    broker.channel.queue_bind("kept", "keeper", "#")
    publish_keys(broker, "keeper", b"1")


def after_restart(broker):
    sent = [(key.encode(), key.encode() + b" 1") for key in KEYS] + publish_keys(broker, "keeper", b"2")
    equal(broker.as_kafka_would(4, sent), broker.subscribe("kept", len(sent)), "records by partition")


def main():
    broker = Broker(int(sys.argv[1]), sys.argv[2])
    globals()[sys.argv[3]](broker)
    broker.connection.close()
    print("ok", sys.argv[3])


main()
