"""Celery as programs meet it: workers, which this file is the tasks of, on queues of the running cloud at AWS_ENDPOINT_URL.
Ends at the first untrue thing.

Tasks are messages of SQS, and what is for every queue of an exchange goes by a topic of SNS."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

import boto3
from celery import Celery
from kombu import Connection, Exchange, Queue

HERE = os.path.dirname(os.path.abspath(__file__))
ENDPOINT = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
RESULTS = os.environ.get("CELERY_RESULTS", "")
# A message that nobody deletes is seen again after so long.
HIDDEN_SECONDS = 4

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
app = Celery("celery_client", broker=f"sqs://test:test@{ENDPOINT.netloc}", backend=f"file://{RESULTS}")
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "queue_name_prefix": "celery-",
        "visibility_timeout": HIDDEN_SECONDS,
        "wait_time_seconds": 1,
        "polling_interval": 0.1,
        "supports_fanout": True,
    },
    broker_connection_retry_on_startup=True,
    # A task is done with when it is over, and not when it begins.
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_default_queue="tasks",
)


def note(name):
    """Writes down that a task begins, and gives back the moments at which it began until now."""
    path = os.path.join(RESULTS, name)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{time.time()}\n")
    with open(path, encoding="utf-8") as file:
        return [float(line) for line in file]


@app.task
def add(one, other):
    return one + other


@app.task(bind=True, max_retries=5)
def stumble(self, name, times):
    """Fails so often, and comes again a second later each time."""
    begun = note(name)
    if len(begun) <= times:
        raise self.retry(countdown=1)
    return begun


@app.task
def linger(name):
    """The first time it takes so long that somebody has to kill its worker."""
    begun = note(name)
    if len(begun) == 1:
        time.sleep(600)
    return begun


@app.task
def in_turn(name):
    return note(name)[-1]


@contextlib.contextmanager
def worker(name, *more):
    """A worker of one process, which is gone at the end."""
    log = open(os.path.join(RESULTS, f"{name}.log"), "w", encoding="utf-8")
    words = ["-m", "celery", "-A", "celery_client", "worker", "--pool=solo", "--loglevel=INFO", "-n", f"{name}@here", *more]
    process = subprocess.Popen([sys.executable, *words], cwd=HERE, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def eventually(what, look):
    """What takes its time: half a minute at most."""
    end = time.monotonic() + 30
    while not look():
        if time.monotonic() > end:
            same(what, "never", "in half a minute")
        time.sleep(0.1)


def received(client, queue):
    """How many messages wait, and how many somebody has."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(found[name]) for name in names]


def main():
    sqs, sns = boto3.client("sqs", endpoint_url=ENDPOINT.geturl()), boto3.client("sns", endpoint_url=ENDPOINT.geturl())
    with worker("first") as first:
        results = [add.delay(n, 1) for n in range(20)]
        same("tasks are done", [result.get(timeout=30) for result in results], list(range(1, 21)))
        begun = stumble.delay("stumble", 2).get(timeout=30)
        same("a task comes again until it goes well", len(begun), 3)
        same("each time later", all(later - one >= 0.9 for one, later in zip(begun, begun[1:])), True)
        eventually("all are deleted", lambda: received(sqs, "celery-tasks") == [0, 0])
        lingering = linger.delay("linger")
        eventually("a task has begun", lambda: os.path.exists(os.path.join(RESULTS, "linger")))
        same("its message is hidden", received(sqs, "celery-tasks"), [0, 1])
        first.send_signal(signal.SIGKILL)
        first.wait()
    with worker("second"):
        begun = lingering.get(timeout=60)
        same("what a killed worker had is done by another", len(begun), 2)
        same("when it was seen again", begun[1] - begun[0] >= HIDDEN_SECONDS - 1, True)
        eventually("its message is deleted", lambda: received(sqs, "celery-tasks") == [0, 0])
    ordered()
    spread(sns)
    print(f"Celery: {checks.checked} things hold")


def ordered():
    """A FIFO queue: the tasks of a group are done in their order."""
    name = f"group-{uuid.uuid4().hex}"
    sent = [in_turn.apply_async((name,), queue="ordered.fifo", MessageGroupId="g") for _ in range(8)]
    with worker("third", "-Q", "ordered.fifo"):
        moments = [result.get(timeout=60) for result in sent]
    same("in their order", moments, sorted(moments))


def spread(sns):
    """An exchange that gives each message to every queue: a topic of SNS."""
    exchange, got = Exchange("news", type="fanout"), []
    queues = [Queue(name, exchange) for name in ["one", "other"]]
    with Connection(app.conf.broker_url, transport_options=app.conf.broker_transport_options) as connection:
        def take(body, message):
            got.append(body["n"])
            message.ack()

        with connection.Consumer(queues, callbacks=[take]), connection.Producer() as producer:
            for n in range(2):
                producer.publish({"n": n}, exchange=exchange, declare=[exchange])
            end = time.monotonic() + 30
            while len(got) < 4 and time.monotonic() < end:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=2)
    same("each queue of an exchange gets each message", sorted(got), [0, 0, 1, 1])
    topics = [topic["TopicArn"].rsplit(":", 1)[1] for topic in sns.list_topics()["Topics"]]
    same("by a topic", [name for name in topics if name.endswith("news")] != [], True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELERY_RESULTS"] = RESULTS = folder
        app.conf.result_backend = f"file://{folder}"
        import checks
        from checks import same

        main()
