"""The OpenAPI document at `/api/schema/`, and the page at `/api/docs/` to try it.

drf-spectacular writes the operations of REST framework's views; the hooks here add what it cannot see: components,
security schemes, and the views that are plain Django for speed.
"""

from functools import cache
from typing import Any, Final

from django.conf import settings
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from config.routes import readable
from identity.api import schema as identity_schema
from mfa.api.authenticatorapi import schema as authenticatorapi_schema
from mfa.api.visualguard import components, enrolment_schema

_ENROLMENT: Final = "/api/MFAEnrollment/"
# What a reader of the page meets first.
_FIRST: Final = {"/connect/token"}
INTRODUCTION: Final = """\
Multi-factor sign-in for REST clients. Start with `POST /connect/token`; its answer says what is due.

* Parameters come from a form or a JSON body; the calls of enrolment also read the query string, `/connect/token` never
  does. Names are compared without case, and a parameter given twice is refused.
* A `RequestId` is a bearer secret. It lives ten minutes unless the operator set another time.
* Errors outside `/connect/token`, `introspect`, `revocation` and AuthenticatorAPI.com's calls are
  `application/problem+json` (RFC 9457).
* 429 (too many requests) and 503 (too many sign-ins at once) say in `Retry-After` how many seconds to wait.
* All instants are UTC, all lifetimes seconds.
"""
TAGS: Final = [
    {"name": "Sign-in", "description": "Password, second factor, tokens: Visual Guard's conversation."},
    {
        "name": "Enrolment",
        "description": "Binding an authenticator. The RequestId of a passed password step is the credential.",
    },
    {"name": "OpenID Connect", "description": "Discovery, keys, userinfo, introspection, revocation."},
    {"name": "Stateless TOTP", "description": "Pair and validate against a secret that the caller keeps."},
    {"name": "AuthenticatorAPI.com", "description": "The same calls under that service's addresses and in its forms."},
    {
        "name": "Administration",
        "description": "The panel by REST, for people with a role: a bearer token with the scope `admin` and a second "
        "factor, which for every change is at most ten minutes old.",
    },
    {"name": "Operation", "description": "Probes and metrics."},
]


def readable_paths(endpoints: list[Any]) -> list[Any]:
    """A route that is matched in any case, letter by letter, by its name."""
    return [
        (
            f"/{readable(route)}" if "[" in route else found,
            route,
            method,
            view,
        )
        for found, route, method, view in endpoints
    ]


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add what drf-spectacular cannot see, and name the operations of enrolment by their calls."""
    for address, item in result["paths"].items():
        if address.startswith(_ENROLMENT):
            call = address.removeprefix(_ENROLMENT)
            for method, operation in item.items():
                operation["operationId"] = f"{call}ByPost" if method == "post" and "get" in item else call
                operation["summary"] = enrolment_schema.SUMMARIES.get(call, operation["summary"])
    paths = {**identity_schema.PATHS, **(authenticatorapi_schema.PATHS if settings.STATELESS_API else {})}
    result["paths"] |= paths
    result["paths"] = dict(
        sorted(result["paths"].items(), key=lambda entry: (entry[0] not in _FIRST, entry[0].lower()))
    )
    result["info"]["description"] = INTRODUCTION
    found = result.setdefault("components", {})
    schemas = {**found.get("schemas", {}), **components.COMPONENTS, **identity_schema.COMPONENTS}
    found["schemas"] = dict(sorted(schemas.items()))
    found["securitySchemes"] = {**found.get("securitySchemes", {}), **identity_schema.SECURITY_SCHEMES}
    used = {tag for item in result["paths"].values() for operation in item.values() for tag in operation["tags"]}
    result["tags"] = [tag for tag in TAGS if tag["name"] in used]
    return result


class SchemaView(SpectacularAPIView):
    """The document, as JSON unless `Accept` prefers YAML; written once a process, since it never changes."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiYamlRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(data=document())


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files; its script is a second request, so that no page holds one inline."""


@cache
def document() -> dict[str, Any]:
    """The whole OpenAPI document."""
    written: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return written


urlpatterns = [
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
]
