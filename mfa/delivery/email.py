"""E-mail through Django's mail backend; EMAIL_URL names the server."""

import smtplib
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from mfa import conf
from mfa.delivery.gateways import Refused
from mfa.delivery.messages import Email

# Without them, out-of-office replies and list software answer to a code (RFC 3834, 5).
_HEADERS: Final = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}


def send(message: Email, destination: str, delivery_id: UUID) -> None:
    """Hand one message to the mail server; raises Refused. Another attempt carries the same Message-ID."""
    if not settings.EMAIL_BACKEND:
        raise Refused("EMAIL_URL is not set", for_good=True)
    host = urlsplit(conf.public_url()).hostname or "localhost"
    server = get_connection()
    mail = EmailMultiAlternatives(
        subject=message.subject,
        body=message.text,
        to=[destination],
        headers={**_HEADERS, "Message-ID": f"<{delivery_id}@{host}>", "Content-Language": message.language},
        connection=server,
    )
    mail.attach_alternative(message.html, "text/html")
    try:
        if mail.send() != 1:
            raise Refused("nobody took it")
    except smtplib.SMTPRecipientsRefused as refused:
        codes = [code for code, _text in refused.recipients.values()]
        raise _refusal(refused, max(codes, default=0)) from None
    except smtplib.SMTPResponseException as refused:
        raise _refusal(refused, refused.smtp_code) from None
    except (smtplib.SMTPException, OSError) as failed:
        raise _refusal(failed, 0) from None
    finally:
        # Django closes what it has opened whole; a conversation that broke off before is ours to end.
        with suppress(smtplib.SMTPException, OSError):
            server.close()


def _refusal(error: Exception, code: int) -> Refused:
    """RFC 5321, 4.2.1: 5yz is final, 4yz is not. A refused password is the operator's to mend, so it is tried again."""
    final = code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError)
    return Refused(f"{type(error).__name__} {code}" if code else type(error).__name__, for_good=final)
