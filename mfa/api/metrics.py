"""`/metrics`: what the processes counted, and what only the database knows, such as a rotation's progress."""

from collections.abc import Iterator
from datetime import datetime
from hmac import compare_digest

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from identity import metrics
from identity.api.problems import problem
from identity.flows import audit_seals
from identity.models import AuditEvent
from mfa.flows import rotation
from mfa.models import Authenticator, Delivery, KeyRotation
from mfa.models.key_rotation import RotationState

# Counting reads a table from end to end; once a minute is enough.
_COUNTED_FOR = 60  # seconds


def view(request: HttpRequest) -> HttpResponse:
    """Prometheus's text format. With METRICS_TOKEN set, only for who brings it; the proxy keeps the public out."""
    token = settings.METRICS_TOKEN
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and not compare_digest(shown.encode(), token.encode()):
        response = problem(401, "Bring the metrics token.")
        response["WWW-Authenticate"] = "Bearer"
        return response
    facts = CollectorRegistry()
    facts.register(_Database())
    body = generate_latest(metrics.registry()) + generate_latest(facts)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


class _Database(Collector):
    """Read at each scrape, by indexes alone."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        waiting = GaugeMetricFamily(
            "stepward_deliveries_waiting", "Messages not yet handed over, by kind.", labels=["kind"]
        )
        age = GaugeMetricFamily(
            "stepward_deliveries_oldest_seconds", "Age of the oldest waiting message.", labels=["kind"]
        )
        found = {
            row["kind"]: row
            for row in Delivery.objects.filter(state="waiting")
            .values("kind")
            .annotate(count=Count("pk"), oldest=Min("created_at"))
            .order_by()
        }
        for kind, name in ((1, "SMS"), (2, "Email")):
            row = found.get(kind)
            waiting.add_metric([name], row["count"] if row else 0)
            age.add_metric([name], (now - row["oldest"]).total_seconds() if row else 0)
        yield waiting
        yield age
        yield from _audit(now)
        yield from self._slow()

    @staticmethod
    def _slow() -> Iterator[GaugeMetricFamily]:
        counted = cache.get("stepward:metrics")
        if counted is None:
            counted = _count()
            cache.set("stepward:metrics", counted, _COUNTED_FOR)
        keys = GaugeMetricFamily("stepward_data_keys", "Data keys, by the key that seals them.", labels=["kid"])
        data_keys = rotation.counts()
        for kid, count in data_keys["by_kid"].items():
            keys.add_metric([kid], count)
        held = GaugeMetricFamily("stepward_authenticators", "Confirmed authenticators, by kind.", labels=["kind"])
        for kind, count in counted["authenticators"]:
            held.add_metric([{1: "SMS", 2: "Email", 4: "App"}[kind]], count)
        yield keys
        yield GaugeMetricFamily(
            "stepward_data_keys_left", "Data keys not yet under the first of MFA_SECRET_KEYS.", value=data_keys["left"]
        )
        yield held
        yield from _rotation()


def _audit(now: datetime) -> Iterator[GaugeMetricFamily]:
    """The chain's length, which never gets less, and how long the oldest event has waited for its seal."""
    newest = audit_seals.newest()
    waiting = AuditEvent.objects.filter(id__gt=newest.last_id if newest else 0).order_by("id").only("at").first()
    yield GaugeMetricFamily(
        "stepward_audit_seals", "Number of the newest link over the audit trail.", value=newest.number if newest else 0
    )
    yield GaugeMetricFamily(
        "stepward_audit_unsealed_seconds",
        "Age of the oldest event that no link seals.",
        value=(now - waiting.at).total_seconds() if waiting else 0,
    )


def _rotation() -> Iterator[GaugeMetricFamily]:
    """The running rotation, or zeros: two numbers that tell how far it is and when it began."""
    running = KeyRotation.objects.filter(state=RotationState.RUNNING).first()
    yield GaugeMetricFamily(
        "stepward_rotation_resealed",
        "Data keys that the running rotation has sealed anew.",
        value=running.resealed if running else 0,
    )
    yield GaugeMetricFamily(
        "stepward_rotation_begun_timestamp_seconds",
        "When the running rotation began, seconds since 1970; 0: none runs.",
        value=running.begun_at.timestamp() if running else 0,
    )


def _count() -> dict[str, list[tuple[str | int, int]]]:
    return {
        "authenticators": list(Authenticator.objects.values_list("kind").annotate(Count("pk")).order_by()),
    }
