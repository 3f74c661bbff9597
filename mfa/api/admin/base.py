"""What every call under `/api/admin/` shares: the entrance, how it is read, and what OpenAPI says of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.api import parameters
from identity.api.problems import problem
from identity.api.schema import ANY_CALL, JSON, PROBLEM
from identity.api.schema import example as named_example
from identity.api.schema import problem as problem_document
from identity.api.views import ApiView
from identity.errors import InvalidParameters
from identity.web.rights import Right
from mfa.api.admin import entrance
from mfa.api.admin.entrance import Asking, Refused
from mfa.api.admin.fields import read
from mfa.api.admin.paging import Order, in_order, page

TAG: Final = "Administration"
Row = TypeVar("Row", bound=Model)
_View = TypeVar("_View", bound=Callable[..., Any])

_CHALLENGE = OpenApiParameter("WWW-Authenticate", str, OpenApiParameter.HEADER, response=[401, 403])
_REFUSALS: Final[dict[int, str]] = {
    400: "Some members cannot be accepted.",
    401: "A person's access token with the scope admin is needed.",
    403: "The account has no role that allows this.",
    404: "There is nothing here.",
    409: "Somebody else has just written the same. Read again.",
}


class AdminView(ApiView):
    """One address. `asking` is whoever asks, and `now` the instant of the call."""

    metadata_class = None
    asking: Asking
    now: datetime

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.now = timezone.now()
        self.asking = entrance.enter(request._request, self.now)

    def handle_exception(self, exc: Exception) -> Response | HttpResponse:  # type: ignore[override]
        if isinstance(exc, Refused):
            return exc.response
        if isinstance(exc, InvalidParameters):
            return problem(exc.status, exc.detail)
        if isinstance(exc, IntegrityError):
            return problem(409, _REFUSALS[409])
        return super().handle_exception(exc)

    def given(self, request: Request, taken: type[serializers.Serializer[Any]], **how: Any) -> dict[str, Any]:
        """What the body says, or Refused."""
        return read(taken, parameters.read(request._request), **how)

    def asked(self, request: Request, taken: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """What the query says, or Refused."""
        return read(taken, parameters.read(request._request, query=True))


class ListView(AdminView):
    """A list: keys by cursor, then the rows of the page with what is shown of them."""

    row_shown: ClassVar[type[serializers.Serializer[Any]]]

    def rows_of(self, keys: list[Any]) -> dict[Any, Any]:
        """The rows of these keys, with what is shown besides."""
        raise NotImplementedError

    def listed(
        self, rows: QuerySet[Any], order: Order, asked: Mapping[str, Any], within: QuerySet[Any] | None = None
    ) -> Response:
        found = page(rows, order, asked["cursor"], asked["limit"], within=within)
        results = self.row_shown(in_order(found.keys, self.rows_of), many=True, context={"now": self.now})
        return Response({"results": results.data, "next_cursor": found.next_cursor})


def configuring(view: _View) -> _View:
    """The method changes what administrators configure: the right first, then one transaction around all of it."""

    def with_right(self: AdminView, *args: Any, **kwargs: Any) -> Any:
        self.asking.require(Right.CONFIGURE)
        with transaction.atomic():
            return view(self, *args, **kwargs)

    return with_right  # type: ignore[return-value]


def described(
    name: str,
    summary: str,
    answer: type[serializers.Serializer[Any]] | serializers.Serializer[Any] | None,
    *,
    status: int = 200,
    refusals: tuple[int, ...] = (),
    example: Any = None,
    **more: Any,
) -> Callable[[_View], _View]:
    """What OpenAPI says of a method: `extend_schema` with everything that these calls have in common."""
    told = [named_example(summary, example)] if example is not None else []
    answers: dict[Any, Any] = {
        **{(each, PROBLEM): ANY_CALL[each, PROBLEM] for each in (405, 429)},
        **{(each, PROBLEM): _problem(each) for each in sorted({401, 403, *refusals})},
    }
    if more.get("request"):
        answers |= {(each, PROBLEM): ANY_CALL[each, PROBLEM] for each in (413, 415)}
        more["request"] = {JSON: more["request"]}
    if answer is None:
        answers[status] = OpenApiResponse(description="Done.")
    else:
        answers[status, JSON] = OpenApiResponse(answer, "Done.", told)
    parameters_taken = [_CHALLENGE, *more.pop("parameters", [])]
    decorator: Callable[[_View], _View] = extend_schema(
        operation_id=f"admin_{name}",
        summary=summary,
        tags=[TAG],
        auth=[{"bearer": []}],  # type: ignore[list-item]  # A requirement may stand for its name.
        responses=answers,
        parameters=parameters_taken,
        **more,
    )
    return decorator


def page_of(shown: type[serializers.Serializer[Any]]) -> Any:
    """The answer of a list."""
    return inline_serializer(
        f"{shown.__name__}Page",
        {
            "results": shown(many=True),
            "next_cursor": serializers.CharField(allow_null=True, help_text="null: there is nothing more."),
        },
    )


def _problem(status: int) -> OpenApiResponse:
    sentence = _REFUSALS[status]
    document = {"$ref": "#/components/schemas/Problem"}
    return OpenApiResponse(document, sentence, [named_example(sentence, problem_document(status, sentence))])
