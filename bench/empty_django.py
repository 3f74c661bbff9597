"""A whole Django project that has nothing but one empty view: the floor."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost"], SECRET_KEY="of a server that has no secrets")


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Content-Length": "0"})  # As CommonMiddleware says; else it would be sent in chunks.


urlpatterns = [path("empty", empty)]
application = get_wsgi_application()
