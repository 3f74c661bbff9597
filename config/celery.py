"""The Celery application: `celery -A config.celery worker` sends messages, `celery -A config.celery beat` sweeps.

Nothing of value is on the broker: a task is the id of a row, a lost task is found by the sweep, and one that comes
twice meets a lease. So tasks are acknowledged early, and no results are kept.
"""

import os

from celery import Celery
from celery.signals import worker_init, worker_ready
from django.conf import settings
from django.utils import timezone
from prometheus_client import start_http_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("stepward", set_as_current=True)
app.conf.update(
    broker_url=settings.REDIS_URL or "memory://",
    broker_connection_retry_on_startup=True,
    # A person waits for the answer: a broker that does not answer at once is passed by (6 s of retries otherwise).
    broker_transport_options={
        "max_retries": 0,
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        "visibility_timeout": 60,
    },
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_default_queue="stepward",
    # Sending is waiting for a socket, which threads do well; one process holds one pool of database connections.
    worker_pool="threads",
    worker_concurrency=8,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    timezone="UTC",
    beat_schedule_filename=str(settings.VAR_DIR / "celerybeat-schedule"),
    beat_schedule={
        # A sweep that waited longer than the next one is due has nothing to add.
        "sweep": {"task": "stepward.sweep", "schedule": 2.0, "options": {"expires": 2.0}},
        # A rotation whose worker was killed is gone on with; where none runs, this asks one small table.
        "reseal": {"task": "stepward.reseal", "schedule": 10.0, "options": {"expires": 10.0}},
    },
)
app.autodiscover_tasks(["mfa"])


@app.task(name="stepward.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """What every two seconds is looked for, so that nothing is lost with a process."""
    from mfa.flows import sweeping  # Its models exist only once Django is set up.

    sweeping.sweep(timezone.now())


@app.task(name="stepward.reseal")  # type: ignore[untyped-decorator]
def reseal() -> None:
    """A few seconds of a key rotation that was begun; where more is left, it asks for the next."""
    from mfa.flows import rotation

    if rotation.go_on(timezone.now(), seconds=5.0):
        reseal.apply_async(retry=False)


@worker_init.connect  # type: ignore[untyped-decorator]
def _trace_tasks(**_kwargs: object) -> None:
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from config import telemetry

        telemetry.watch_tasks()


@worker_ready.connect  # type: ignore[untyped-decorator]
def _show_metrics(**_kwargs: object) -> None:
    """A worker in a container of its own shows what it counted on WORKER_METRICS_PORT; else /metrics does."""
    if settings.WORKER_METRICS_PORT:
        start_http_server(settings.WORKER_METRICS_PORT)
