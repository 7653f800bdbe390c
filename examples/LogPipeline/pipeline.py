"""A log pipeline: rsyslog follows a program's log file and produces each line to a topic (omkafka); a parser consumes the lines, makes JSON of
them and indexes it. The topic keeps the lines: another index, with other columns, is built later by replaying from an offset, at the
speed of reading.

Needs rsyslog with omkafka (Debian: rsyslog, rsyslog-kafka) and confluent-kafka for Python (python3-confluent-kafka).
    KAFKA_BOOTSTRAP=localhost:9092 python3 pipeline.py
"""
import json
import os
import random
import re
import sqlite3
import subprocess
import tempfile
import time
import uuid

from confluent_kafka import Consumer, TopicPartition

BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP", "localhost:9092")
TOPIC = "logs-" + uuid.uuid4().hex[:8]
LINES = 5000
LINE = re.compile(r"(?P<time>\S+) (?P<level>[A-Z]+) (?P<component>\w+) took (?P<ms>\d+) ms: (?P<text>.*)")

RSYSLOG = """
global(workDirectory="{folder}")
module(load="imfile" pollingInterval="1")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="{folder}/app.log" tag="app" ruleset="ship")
ruleset(name="ship") {{
  action(type="omkafka" broker=["{bootstrap}"] topic="{topic}" template="line" resubmitOnFailure="on" keepFailedMessages="on" failedMsgFile="{folder}/failed.json"
         confParam=["acks=all", "socket.keepalive.enable=true"] action.resumeRetryCount="-1")
}}
"""


def write_logs(path):
    """The program whose log it is."""
    with open(path, "a", encoding="utf-8") as log:
        for number in range(LINES):
            level = random.choice(["INFO", "INFO", "INFO", "WARN", "ERROR"])
            component = random.choice(["checkout", "search", "login"])
            log.write(f"2026-01-01T00:00:{number % 60:02d}Z {level} {component} took {random.randrange(500)} ms: request {number}\n")


def consume(group, offset=None):
    """Lines with their offsets, from an offset or from where the group has come."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, offset)]) if offset is not None else consumer.subscribe([TOPIC])
    try:
        while True:
            records = [record for record in consumer.consume(500, 1.0) if record.error() is None]
            for record in records:
                yield record.offset(), record.value().decode()
            if records and offset is None:
                consumer.commit(asynchronous=False)
    except GeneratorExit:
        consumer.close()
    except Exception:
        consumer.close()
        raise


def index(lines, count):
    """Parses lines to JSON and puts them into a full-text index."""
    database = sqlite3.connect(":memory:")
    database.execute("create table entries (offset integer primary key, document text, level text, component text, ms integer)")
    done = 0
    for offset, line in lines:
        found = LINE.search(line)
        document = found.groupdict() if found else {"text": line}
        database.execute("insert into entries values (?, ?, ?, ?, ?)", (offset, json.dumps(document), document.get("level"), document.get("component"), document.get("ms")))
        done += 1
        if done == count:
            break
    lines.close()
    return database


def main():
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "rsyslog.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(RSYSLOG.format(folder=folder, bootstrap=BOOTSTRAP, topic=TOPIC))
        open(os.path.join(folder, "app.log"), "w", encoding="utf-8").close()
        shipper = subprocess.Popen(["/usr/sbin/rsyslogd", "-n", "-f", config, "-i", os.path.join(folder, "pid")])
        try:
            write_logs(os.path.join(folder, "app.log"))
            live = index(consume("indexer"), LINES)
        finally:
            shipper.terminate()
            shipper.wait(20)
    errors = live.execute("select count(*) from entries where level = 'ERROR'").fetchone()[0]
    numbers = {int(json.loads(document)["text"].split()[-1]) for (document,) in live.execute("select document from entries")}
    print(f"indexed {len(numbers)} of {LINES} lines, {errors} of them errors")

    # Somebody wants to know something else of what was logged long ago: nothing has to be shipped again.
    started = time.monotonic()
    half = LINES // 2
    replayed = index(consume("replay", offset=half), LINES - half)
    slow = replayed.execute("select component, count(*) from entries where ms > 450 group by component order by component").fetchall()
    same = replayed.execute("select document from entries order by offset").fetchall() == live.execute("select document from entries where offset >= ? order by offset", (half,)).fetchall()
    print(f"replayed from offset {half} in {(time.monotonic() - started) * 1000:.0f} ms: {replayed.execute('select count(*) from entries').fetchone()[0]} lines, the same as indexed first: {same}")
    print("slow requests:", ", ".join(f"{component} {count}" for component, count in slow))


main()
