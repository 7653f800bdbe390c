"""Starts a Celery worker, gives it 1,000 tasks and counts what they did. Argument: the broker's address."""
import collections
import datetime
import os
import subprocess
import sys
import tempfile
import time
import uuid

folder = tempfile.mkdtemp(prefix="sluice-celery-")
os.environ["INTEROP_BROKER"] = sys.argv[1]
os.environ["INTEROP_QUEUE"] = "celery." + uuid.uuid4().hex
os.environ["INTEROP_EFFECTS"] = os.path.join(folder, "effects")
os.environ.pop("NO_COLOR", None)  # Celery's command line takes it for an option and wants a boolean

from celery.result import ResultSet  # noqa: E402 (the environment comes first)
from celery_app import app, flaky, later, plain  # noqa: E402

PLAIN, FLAKY, COUNTDOWN, ETA = 700, 150, 100, 50
worker_log = open(os.path.join(folder, "worker.log"), "wb")
worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--concurrency=2", "--loglevel=INFO",
     "-n", "worker-" + uuid.uuid4().hex[:8] + "@%h"],
    stdout=worker_log, stderr=subprocess.STDOUT)


def main():
    started = time.time()
    results = []
    for number in range(PLAIN):
        results.append((plain.delay(number), number * 2))
    for number in range(FLAKY):
        results.append((flaky.delay(number), number + 1))
    delayed = []
    for number in range(COUNTDOWN):
        delayed.append(later.apply_async((number, time.time() + 2), countdown=2))
    for number in range(COUNTDOWN, COUNTDOWN + ETA):
        due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
        delayed.append(later.apply_async((number, due.timestamp()), eta=due))

    values = ResultSet([result for result, _ in results] + delayed).join_native(timeout=90)
    for value, (_, expected) in zip(values, results):
        assert value == expected, f"result {value}, expected {expected}"
    for late in values[len(results):]:
        assert late >= -0.05, f"a delayed task ran {-late:.3f} s too early"
    took = time.time() - started

    pong = app.control.ping(timeout=5)
    assert len(pong) == 1, f"the worker's control queue answered {pong}"

    effects = collections.Counter()
    with open(os.environ["INTEROP_EFFECTS"]) as lines:
        for line in lines:
            kind, number, attempt, _ = line.split()
            effects[(kind, int(number), int(attempt))] += 1
    expected = collections.Counter()
    for number in range(PLAIN):
        expected[("plain", number, 0)] = 1
    for number in range(FLAKY):
        for attempt in range(3):
            expected[("flaky", number, attempt)] = 1
    for number in range(COUNTDOWN + ETA):
        expected[("later", number, 0)] = 1
    assert effects == expected, f"missing {list((expected - effects).items())[:10]}, too many {list((effects - expected).items())[:10]}"
    total = PLAIN + FLAKY + COUNTDOWN + ETA
    print(f"ok {total} tasks, {sum(effects.values())} effects, {took:.1f} s")


try:
    main()
except BaseException:
    worker_log.flush()
    with open(os.path.join(folder, "worker.log")) as log:
        sys.stderr.write(log.read()[-6000:])
    raise
finally:
    worker.terminate()
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
    with app.connection() as connection:
        connection.default_channel.queue_delete(os.environ["INTEROP_QUEUE"])
