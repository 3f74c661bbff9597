"""SMS through Apprise; SMS_URL names the gateway, `{to}` in it is where the number goes."""

import sys
from urllib.parse import quote

from django.conf import settings

from mfa.delivery.gateways import Refused


def send(text: str, destination: str) -> None:
    """Hand one message to the gateway; raises Refused. Without SMS_URL, development prints and the rest refuses."""
    if not settings.SMS_URL:
        if not settings.SMS_TO_CONSOLE:
            raise Refused("SMS_URL is not set", for_good=True)
        sys.stdout.write(f"\nSMS to {destination}\n{text}\n\n")
        sys.stdout.flush()
        return
    # Its hundred plugins take a second and 40 MB to load, so only who sends an SMS loads them.
    import apprise

    gateway = apprise.Apprise.instantiate(
        settings.SMS_URL.replace("{to}", quote(destination, safe="")), suppress_exceptions=True
    )
    if not gateway:
        raise Refused("SMS_URL names no gateway", for_good=True)
    if not gateway.notify(body=text, body_format=apprise.NotifyFormat.TEXT):
        raise Refused("the gateway refused")
