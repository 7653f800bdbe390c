"""A Celery application whose tasks leave a line in a file for every effect that they have."""
import os
import time

from celery import Celery

app = Celery("interop", broker=os.environ["INTEROP_BROKER"], backend="rpc://")
app.conf.update(
    task_acks_late=True,
    task_default_queue=os.environ.get("INTEROP_QUEUE", "celery.interop"),
    worker_prefetch_multiplier=8,
    task_publish_retry=False,
    result_expires=600,
    broker_connection_retry=False,
    broker_transport_options={"confirm_publish": True},
)

EFFECTS = os.environ["INTEROP_EFFECTS"]


def effect(kind, number, attempt=0):
    line = f"{kind} {number} {attempt} {time.time():.3f}\n".encode()
    handle = os.open(EFFECTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


@app.task
def plain(number):
    effect("plain", number)
    return number * 2


@app.task(bind=True, max_retries=3)
def flaky(self, number):
    """Fails twice, then succeeds."""
    effect("flaky", number, self.request.retries)
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return number + 1


@app.task
def later(number, not_before):
    effect("later", number)
    return time.time() - not_before
