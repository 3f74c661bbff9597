"""People: the list, the account with its exact MFA state, edits, and the acts that the panel has."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Q
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from identity.flows.administration import lock_both
from identity.models import Session, User
from identity.web.rights import Right
from mfa.admin import state
from mfa.admin.acts import ACTS, Deed
from mfa.api.admin import entrance
from mfa.api.admin.base import AdminView, ListView, described, page_of
from mfa.api.admin.fields import PageQuery
from mfa.api.admin.paging import Order
from mfa.api.admin.people_documents import (
    ActDone,
    ActGiven,
    AuthenticatorShown,
    PeopleQuery,
    PersonGiven,
    PersonRow,
    PersonShown,
    SessionShown,
)
from mfa.flows import administration
from mfa.models import Authenticator

_BY_NAME = Order("people", ("username_key",))
_NEWEST_SESSION = Order("sessions", ("-auth_time", "-pk"))
# No index finds these: a page looks through so many people in the order of their names, and no more.
_LOOKED_THROUGH = {"required", "enrolled", "signed_in"}


class PersonView(AdminView):
    """What the calls about one person share."""

    def person(self, subject: UUID) -> User:
        found = User.objects.filter(subject=subject).first()
        if found is None:
            raise Http404
        return found

    def under_lock(self, request: Request, pk: int) -> User:
        """The person, and whoever asks, as they are once nobody else can change either of them.

        Whoever asks comes in anew: he may have lost role, session or account to somebody who was first.
        """
        _, person = lock_both(self.asking.actor.pk, pk)
        self.asking = entrance.enter(request._request, self.now)
        return person

    def shown(self, pk: int, status: int = 200) -> Response:
        people = state.with_state(User.objects.filter(pk=pk), self.now).select_related("recovery_codes")
        person = people.prefetch_related("authenticators", "groups", "clients").get()
        context = {"now": self.now, "asking": self.asking}
        return Response(PersonShown(person, context=context).data, status=status)


class PeopleView(ListView, PersonView):
    row_shown = PersonRow

    @described("people", "People, by name", page_of(PersonRow), refusals=(400,), parameters=[PeopleQuery])
    def get(self, request: Request) -> Response:
        asked = self.asked(request, PeopleQuery)
        rows = User.objects.filter(*_conditions(asked, self.now))
        return self.listed(rows, _BY_NAME, asked, User.objects.all() if _LOOKED_THROUGH & asked.keys() else None)

    @described(
        "create_person",
        "Make an account",
        PersonShown,
        status=201,
        refusals=(400, 409),
        request=PersonGiven,
        description="It has no password; the act `password-link` makes a link with which its person chooses one.",
    )
    def post(self, request: Request) -> Response:
        self.asking.require(Right.MANAGE_PEOPLE)
        with transaction.atomic():
            self.under_lock(request, self.asking.actor.pk)
            self.asking.require(Right.MANAGE_PEOPLE)
            given = self.given(request, PersonGiven, context={"actor": self.asking.actor})
            person = administration.create_person(given, self.asking.editor)
        return self.shown(person.pk, 201)

    def rows_of(self, keys: list[Any]) -> dict[Any, User]:
        rows = state.with_state(User.objects.all(), self.now)
        return rows.prefetch_related("authenticators").in_bulk(keys)


class OnePersonView(PersonView):
    @described("person", "A person, with the exact state of the second factor", PersonShown, refusals=(404,))
    def get(self, request: Request, subject: UUID) -> Response:
        return self.shown(self.person(subject).pk)

    @described(
        "change_person",
        "Change some members",
        PersonShown,
        refusals=(400, 404, 409),
        request=PersonGiven,
        description=(
            "Members that are left out stay. Another address takes the mark and the authenticator at the old one "
            "away and ends sessions; so does closing the account."
        ),
    )
    def patch(self, request: Request, subject: UUID) -> Response:
        pk = self.person(subject).pk
        with transaction.atomic():
            person = self.under_lock(request, pk)
            self.asking.require(Right.MANAGE_PEOPLE, person)
            context = {"actor": self.asking.actor, "person": person}
            given = self.given(request, PersonGiven, partial=True, context=context)
            administration.change_person(person, given, self.asking.editor, self.now)
        return self.shown(pk)


class ActView(PersonView):
    @described(
        "act",
        "Act on an account",
        ActDone,
        refusals=(400, 404),
        request=ActGiven,
        parameters=[
            OpenApiParameter("act", str, OpenApiParameter.PATH, enum=list(ACTS), description="What is to be done.")
        ],
        description="\n".join(f"* `{name}`: {act.consequence}" for name, act in ACTS.items()),
        example={"act": "unlock", "done": ACTS["unlock"].done, "shown_once": None},
    )
    def post(self, request: Request, subject: UUID, act: str) -> Response:
        deed, pk = ACTS.get(act), self.person(subject).pk
        if deed is None:
            raise Http404
        with transaction.atomic():
            person = self.under_lock(request, pk)
            self.asking.require(deed.right, person)
            reason = self.given(request, ActGiven)["reason"]
            shown = deed.carry_out(Deed(person, self.asking.actor, reason, self.asking.origin, self.now))
        return Response({"act": act, "done": deed.done, "shown_once": shown or None})


class AuthenticatorsView(PersonView):
    @described("authenticators", "What a person holds", AuthenticatorShown(many=True), refusals=(404,))
    def get(self, request: Request, subject: UUID) -> Response:
        held = Authenticator.objects.filter(user=self.person(subject)).order_by("confirmed_at", "pk")
        return Response(AuthenticatorShown(held, many=True, context={"now": self.now}).data)


class SessionsView(ListView, PersonView):
    row_shown = SessionShown

    @described(
        "sessions",
        "A person's sessions, the newest first",
        page_of(SessionShown),
        refusals=(400, 404),
        parameters=[PageQuery],
    )
    def get(self, request: Request, subject: UUID) -> Response:
        rows = Session.objects.filter(user=self.person(subject))
        return self.listed(rows, _NEWEST_SESSION, self.asked(request, PageQuery))

    def rows_of(self, keys: list[Any]) -> dict[Any, Session]:
        return Session.objects.select_related("client").in_bulk(keys)


def _conditions(asked: dict[str, Any], now: datetime) -> list[Any]:
    """The panel's filters, as many as are asked for."""
    answers: dict[str, Callable[[], Q | Exists]] = {
        "required": state.required,
        "enrolled": state.enrolled,
        "pending": lambda: state.pending(now),
        "locked": lambda: state.locked(now),
        "enabled": lambda: Q(is_active=True),
        "approved": lambda: Q(is_approved=True),
    }
    found = [answer() if asked[name] else ~answer() for name, answer in answers.items() if name in asked]
    if asked["search"].strip():
        found.append(state.starting_with(asked["search"]))
    if "role" in asked:
        found.append(Q(admin_role=asked["role"]))
    if (when := state.signed_in(asked.get("signed_in", ""), now)) is not None:
        found.append(when)
    return found
