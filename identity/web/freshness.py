"""What the browser session says of the sign-in that opened it; `mfa.web` writes these keys once both factors passed."""

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest

from identity.models import Session

ACR = "acr"
AUTH_TIME = "auth_time"
SESSION_ID = "sid"
SECOND_FACTOR = "2"
FRESH_SECONDS = 600


def has_second_factor(request: HttpRequest) -> bool:
    """Whether the second factor was passed, and the session it opened has not been ended since (A28, A60)."""
    sid = request.session.get(SESSION_ID)
    if request.session.get(ACR) != SECOND_FACTOR or not isinstance(sid, str):
        return False
    opened = Session.objects.filter(pk=sid, user_id=request.user.pk or 0, acr=SECOND_FACTOR)
    return opened.filter(ended_at__isnull=True).exists()


def is_fresh(request: HttpRequest, now: datetime) -> bool:
    """Whether the second factor was passed within the last ten minutes: what every change asks for (A36)."""
    auth_time = request.session.get(AUTH_TIME)
    return isinstance(auth_time, int) and 0 <= int(now.timestamp()) - auth_time <= FRESH_SECONDS


def step_up_url(path: str) -> str:
    """Where the second factor is passed again; `path` is where to go on, on this server."""
    return f"{settings.LOGIN_URL}?{urlencode({'next': path, 'fresh': '1'})}"
