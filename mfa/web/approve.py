"""`/mfa/approve/{token}`: the page behind a link. Opening it decides nothing: mail scanners open links too."""

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from mfa.api.visualguard.token_view import origin_of
from mfa.flows import challenge
from mfa.primitives import user_agents
from mfa.web import pages


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Who asks, from where and when; approve or refuse by a click, once."""
    now = timezone.now()
    found = challenge.link_of(token, now)
    if found is None:
        text = _("It was used before, has run out, or is not known here. If you are signing in, ask for a new one.")
        return pages.over(request, _("This link is over"), text)
    asking = found.request
    context = {
        "asking": asking,
        "application": asking.client.name if asking.client else "",
        "browser": user_agents.described(asking.user_agent),
    }
    if request.method != "POST" or not {"approve", "refuse"} & set(request.POST):
        return pages.page(request, "approve/ask", context)
    approves = "approve" in request.POST and "refuse" not in request.POST
    decide = challenge.approve if approves else challenge.refuse
    if not decide(token, origin_of(request), now):
        return pages.over(request, _("This link is over"), _("Somebody else was first, or it has just run out."))
    return pages.page(request, "approve/decided", context | {"approved": approves})
