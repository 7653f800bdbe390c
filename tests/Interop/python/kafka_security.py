"""confluent-kafka's ways of logging in, one scenario by name. Arguments: host:port, scenario, further ones. Prints "ok <scenario>" at the end."""
import base64
import hashlib
import hmac
import json
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer

servers, scenario, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
topic = f"confluent.{scenario}.{uuid.uuid4().hex[:8]}"


def roundtrip(seconds=0, **login):
    """Sends records and reads them, for so long; what comes must be all."""
    config = {"bootstrap.servers": servers, "security.protocol": "sasl_plaintext", **login}
    producer = Producer(config)
    reader = Consumer({**config, "group.id": topic, "auto.offset.reset": "earliest"})
    reader.subscribe([topic])
    sent, got, errors = 0, 0, []
    end = time.monotonic() + seconds
    while sent == 0 or time.monotonic() < end:
        producer.produce(topic, str(sent).encode(), on_delivery=lambda error, message: errors.append(error) if error else None)
        sent += 1
        assert producer.flush(20) == 0
        assert not errors, errors
        deadline = time.monotonic() + 30
        while got < sent:
            assert time.monotonic() < deadline, f"only {got} of {sent} came"
            message = reader.poll(0.1)
            if message is None:
                continue
            if message.error() is not None:
                # The topic is made by the producer; the consumer may have asked before.
                assert message.error().name() == "UNKNOWN_TOPIC_OR_PART", message.error()
                continue
            assert message.value() == str(got).encode()
            got += 1
    reader.close()


def scram():
    mechanism, user, password = arguments
    roundtrip(**{"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password})


def reauthentication():
    roundtrip(seconds=4, **{"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "guest", "sasl.password": "guest"})


def token(user, secret, seconds):
    """A JSON Web Token as librdkafka's callback returns it: with the time at which it expires."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    expires = time.time() + seconds
    signed = part(b'{"alg":"HS256"}') + b"." + part(json.dumps({"sub": user, "exp": expires}).encode())
    return (signed + b"." + part(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode(), expires


def oauthbearer():
    # Tokens are good for less time than the client works.
    secret, = arguments
    roundtrip(seconds=8, **{"sasl.mechanism": "OAUTHBEARER", "oauth_cb": lambda config: token("guest", secret, 4)})


globals()[scenario]()
print(f"ok {scenario}")
