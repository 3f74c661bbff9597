"""An empty view, and a DRF view with one SELECT and one UPDATE: what no code step can go below."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from floor.models import Holder
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Content-Length": "0"})


class Floor(APIView):
    def post(self, request: Request) -> Response:
        holder = Holder.objects.get(name=request.data["name"])
        done = Holder.objects.filter(pk=holder.pk, last_time_step__lt=request.data["step"])
        return Response({"done": done.update(last_time_step=request.data["step"])}, headers={"Content-Length": "10"})


urlpatterns = [path("empty", empty), path("floor", Floor.as_view())]
