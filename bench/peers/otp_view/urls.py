"""What one writes around django-otp: password and code, the code alone, and an enrolment."""

import io
from typing import Any

import segno
from django.contrib.auth import authenticate, get_user_model, login
from django.core import signing
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from django_otp import login as otp_login
from django_otp import verify_token
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class SignIn(APIView):
    """Name, password and code in one call, as django-otp's own authentication form takes them; opens a session."""

    def post(self, request: Request) -> Response:
        given = request.data
        user = authenticate(request, username=given["username"], password=given["password"])
        device = None if user is None else verify_token(user, given["device"], given["code"])
        if device is None:
            raise PermissionDenied
        user.otp_device = device
        login(request._request, user)
        return Response({"signed_in": user.get_username()})


class OfSession(SessionAuthentication):
    """Whoever the session says; without the CSRF check, as apps are no browsers."""

    def enforce_csrf(self, request: Any) -> None:
        pass


class Verify(APIView):
    """The code of somebody whose password opened the session; the session keeps that it was right."""

    authentication_classes = (OfSession,)

    def post(self, request: Request) -> Response:
        user = request.user
        device = verify_token(user, request.data["device"], request.data["code"]) if user else None
        if device is None:
            raise PermissionDenied
        otp_login(request._request, device)
        return Response({"verified": user.get_username()})


class Code(APIView):
    """The bare minimum: looks the person up, checks the code, and keeps nothing of it but the spent time step."""

    def post(self, request: Request) -> Response:
        user = get_user_model().objects.get(pk=signing.loads(request.data["ticket"], max_age=3600))
        if verify_token(user, request.data["device"], request.data["code"]) is None:
            raise PermissionDenied
        return Response({"right": user.get_username()})


class Begin(APIView):
    """A new, unconfirmed device and its QR as PNG."""

    def post(self, request: Request) -> HttpResponse:
        user = get_user_model().objects.get(pk=signing.loads(request.data["ticket"], max_age=3600))
        device = TOTPDevice.objects.create(user=user, name="phone", confirmed=False)
        picture = io.BytesIO()
        segno.make(device.config_url, error="m", micro=False).save(picture, kind="png", scale=5, border=4)
        return HttpResponse(picture.getvalue(), content_type="image/png")


class Confirm(APIView):
    def post(self, request: Request) -> Response:
        pk = signing.loads(request.data["ticket"], max_age=3600)
        with transaction.atomic():
            device = TOTPDevice.objects.select_for_update().get(user_id=pk, confirmed=False)
            if not device.verify_token(request.data["code"]):
                raise PermissionDenied
            device.confirmed = True
            device.save(update_fields=["confirmed"])
        return Response({"confirmed": True})


urlpatterns: list[Any] = [
    path("sign-in", SignIn.as_view()),
    path("verify", Verify.as_view()),
    path("code", Code.as_view()),
    path("begin", Begin.as_view()),
    path("confirm", Confirm.as_view()),
]
