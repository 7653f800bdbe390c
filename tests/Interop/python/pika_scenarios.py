"""pika's ways of using a broker, one scenario by name. Arguments: address, scenario. Prints "ok <scenario>" at the end."""
import asyncio
import sys
import threading
import time
import uuid

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

url, scenario = sys.argv[1], sys.argv[2]
run = uuid.uuid4().hex[:8]


def connect():
    return pika.BlockingConnection(pika.URLParameters(url))


def take(channel, queue, count, auto_ack=True):
    got = []
    for method, properties, body in channel.consume(queue, auto_ack=auto_ack, inactivity_timeout=10):
        assert method is not None, f"only {len(got)} of {count} came"
        got.append((method, properties, body.decode()))
        if len(got) == count:
            break
    channel.cancel()
    return got


def hello():
    connection = connect()
    channel = connection.channel()
    queue = f"pika.hello.{run}"
    channel.queue_declare(queue)
    channel.basic_publish("", queue, "Hello World!")
    assert take(channel, queue, 1)[0][2] == "Hello World!"
    channel.queue_delete(queue)
    connection.close()


def work_queue():
    connection = connect()
    channel = connection.channel()
    queue = f"pika.work.{run}"
    channel.queue_declare(queue, durable=True)
    for i in range(100):
        channel.basic_publish("", queue, str(i), pika.BasicProperties(delivery_mode=pika.spec.PERSISTENT_DELIVERY_MODE))
    done, lock = [], threading.Lock()

    def worker():
        own = connect()
        mine = own.channel()
        mine.basic_qos(prefetch_count=1)

        def callback(ch, method, _, body):
            with lock:
                done.append(int(body))
                finished = len(done) >= 100
            ch.basic_ack(method.delivery_tag)
            if finished:
                ch.stop_consuming()

        mine.basic_consume(queue, callback)
        deadline = time.time() + 20
        while len(done) < 100 and time.time() < deadline:
            own.process_data_events(time_limit=0.1)
        own.close()

    workers = [threading.Thread(target=worker) for _ in range(3)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    assert sorted(done) == list(range(100)), done
    assert channel.queue_delete(queue).method.message_count == 0
    connection.close()


def publish_subscribe():
    connection = connect()
    channel = connection.channel()
    exchange = f"pika.logs.{run}"
    channel.exchange_declare(exchange, "fanout")
    queues = []
    for _ in range(3):
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, exchange)
        queues.append(queue)
    channel.basic_publish(exchange, "", "to all")
    for queue in queues:
        assert take(channel, queue, 1)[0][2] == "to all"
    channel.exchange_delete(exchange)
    connection.close()


def routing():
    connection = connect()
    channel = connection.channel()
    exchange = f"pika.direct.{run}"
    channel.exchange_declare(exchange, "direct")
    errors = channel.queue_declare("", exclusive=True).method.queue
    everything = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(errors, exchange, "error")
    for severity in ("info", "warning", "error"):
        channel.queue_bind(everything, exchange, severity)
        channel.basic_publish(exchange, severity, severity)
    assert [b for _, _, b in take(channel, everything, 3)] == ["info", "warning", "error"]
    assert [b for _, _, b in take(channel, errors, 1)] == ["error"]
    channel.exchange_delete(exchange)
    connection.close()


def topics():
    connection = connect()
    channel = connection.channel()
    exchange = f"pika.topic.{run}"
    channel.exchange_declare(exchange, "topic")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "kern.*")
    channel.queue_bind(queue, exchange, "#.critical")
    for key in ("kern.info", "kern", "cron.info", "cron.very.critical", "critical", "kern.critical"):
        channel.basic_publish(exchange, key, key)
    assert [b for _, _, b in take(channel, queue, 4)] == ["kern.info", "cron.very.critical", "critical", "kern.critical"]
    channel.exchange_delete(exchange)
    connection.close()


def rpc():
    queue = f"pika.rpc.{run}"
    ready = threading.Event()

    def server():
        connection = connect()
        channel = connection.channel()
        channel.queue_declare(queue)

        def on_request(ch, method, properties, body):
            ch.basic_publish("", properties.reply_to, str(int(body) ** 2), pika.BasicProperties(correlation_id=properties.correlation_id))
            ch.basic_ack(method.delivery_tag)
            if int(body) == 9:
                ch.stop_consuming()

        channel.basic_consume(queue, on_request)
        ready.set()
        channel.start_consuming()
        channel.queue_delete(queue)
        connection.close()

    thread = threading.Thread(target=server)
    thread.start()
    assert ready.wait(10)
    connection = connect()
    channel = connection.channel()
    answers = {}

    def on_reply(ch, method, properties, body):
        answers[properties.correlation_id] = int(body)

    channel.basic_consume("amq.rabbitmq.reply-to", on_reply, auto_ack=True)
    for n in range(10):
        channel.basic_publish("", queue, str(n), pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id=str(n)))
    deadline = time.time() + 10
    while len(answers) < 10 and time.time() < deadline:
        connection.process_data_events(time_limit=0.1)
    assert answers == {str(n): n * n for n in range(10)}, answers
    thread.join()
    connection.close()


def confirms():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True, arguments={"x-max-length": 50, "x-overflow": "reject-publish"}).method.queue
    for i in range(50):
        channel.basic_publish("", queue, str(i), mandatory=True)
    try:
        channel.basic_publish("", queue, "one too many")
        raise AssertionError("the queue is full: a nack was expected")
    except pika.exceptions.NackError:
        pass
    try:
        channel.basic_publish("", "pika.nowhere", "lost", mandatory=True)
        raise AssertionError("unroutable: a return was expected")
    except pika.exceptions.UnroutableError as error:
        assert error.messages[0].method.reply_code == 312
    assert channel.queue_declare(queue, passive=True).method.message_count == 50
    connection.close()


def transactions():
    connection = connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.tx_select()
    channel.basic_publish("", queue, "undone")
    channel.tx_rollback()
    channel.basic_publish("", queue, "done")
    channel.tx_commit()
    assert take(channel, queue, 1, auto_ack=True)[0][2] == "done"
    assert channel.queue_declare(queue, passive=True).method.message_count == 0
    connection.close()


def properties():
    connection = connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    headers = {"text": "grüße", "int": 7, "big": 2 ** 40, "negative": -3, "flag": True, "none": None,
               "list": [1, "two", False], "table": {"deep": {"er": "x"}}}
    sent = pika.BasicProperties(
        content_type="application/json", content_encoding="utf-8", headers=headers, delivery_mode=2, priority=4, correlation_id="c",
        reply_to="r", expiration="60000", message_id="m", timestamp=1700000000, type="t", user_id="guest", app_id="a", cluster_id="cl")
    channel.basic_publish("", queue, b"{}", sent)
    got = take(channel, queue, 1)[0][1]
    for name in ("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration",
                 "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id"):
        assert getattr(got, name) == getattr(sent, name), (name, getattr(got, name))
    connection.close()


def dead_letters():
    connection = connect()
    channel = connection.channel()
    dead = channel.queue_declare("", exclusive=True).method.queue
    queue = channel.queue_declare("", exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-message-ttl": 50}).method.queue
    channel.basic_publish("", queue, "old")
    death = take(channel, dead, 1)[0][1].headers["x-death"][0]
    assert (death["reason"], death["queue"], death["count"], death["exchange"], death["routing-keys"]) == ("expired", queue, 1, "", [queue]), death
    connection.close()


def consumer_cancel():
    connection = connect()
    channel = connection.channel()
    queue = f"pika.cancel.{run}"
    channel.queue_declare(queue)
    other = connect()
    cancelled = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = channel.basic_consume(queue, lambda *_: None)
    other.channel().queue_delete(queue)
    deadline = time.time() + 10
    while not cancelled and time.time() < deadline:
        connection.process_data_events(time_limit=0.1)
    assert cancelled == [tag], cancelled
    other.close()
    connection.close()


def channel_error():
    connection = connect()
    channel = connection.channel()
    try:
        channel.queue_declare("pika.missing", passive=True)
        raise AssertionError("404 was expected")
    except pika.exceptions.ChannelClosedByBroker as error:
        assert (error.reply_code, error.reply_text) == (404, "NOT_FOUND - no queue 'pika.missing' in vhost '/'"), error
    connection.channel().queue_declare("", exclusive=True)
    connection.close()
    try:
        pika.BlockingConnection(pika.URLParameters(url.replace("guest:guest", "guest:wrong")))
        raise AssertionError("a refusal was expected")
    except pika.exceptions.ProbableAuthenticationError:
        pass
    except pika.exceptions.AuthenticationError:
        pass


class Asynchronous:
    """Declares, publishes 1,000 with confirms and consumes them with acknowledgements, all by callbacks."""
    COUNT = 1000

    def __init__(self, stop):
        self.stop, self.received, self.confirmed, self.error = stop, 0, 0, None

    def on_open(self, connection):
        connection.channel(on_open_callback=self.on_channel)

    def on_channel(self, channel):
        self.channel = channel
        channel.confirm_delivery(self.on_confirm, callback=lambda _: channel.queue_declare("", exclusive=True, callback=self.on_queue))

    def on_queue(self, frame):
        self.channel.basic_qos(prefetch_count=50, callback=lambda _: self.on_qos(frame.method.queue))

    def on_qos(self, queue):
        self.channel.basic_consume(queue, self.on_message)
        for i in range(self.COUNT):
            self.channel.basic_publish("", queue, str(i))

    def on_confirm(self, frame):
        assert isinstance(frame.method, pika.spec.Basic.Ack), frame
        self.confirmed = max(self.confirmed, frame.method.delivery_tag) if frame.method.multiple else self.confirmed + 1
        self.finish()

    def on_message(self, channel, method, _, body):
        if int(body) != self.received:
            self.error = f"{body} came instead of {self.received}"
        self.received += 1
        channel.basic_ack(method.delivery_tag)
        self.finish()

    def finish(self):
        if self.received == self.COUNT and self.confirmed >= self.COUNT * 0.5:
            self.channel.connection.close()

    def check(self):
        assert self.error is None, self.error
        assert self.received == self.COUNT, self.received


def select_connection():
    work = Asynchronous(None)
    connection = pika.SelectConnection(
        pika.URLParameters(url), on_open_callback=work.on_open, on_close_callback=lambda c, _: c.ioloop.stop())
    connection.ioloop.call_later(30, connection.ioloop.stop)
    connection.ioloop.start()
    work.check()


def asyncio_connection():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    work = Asynchronous(None)
    AsyncioConnection(pika.URLParameters(url), on_open_callback=work.on_open, on_close_callback=lambda *_: loop.stop(), custom_ioloop=loop)
    loop.call_later(30, loop.stop)
    loop.run_forever()
    work.check()


globals()[scenario]()
print(f"ok {scenario}")
