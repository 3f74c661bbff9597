"""What messages say. `mfa/templates/mfa/messages/{language}/{name}.txt` is one message, whole, in one language.

Each defines the blocks `subject`, `intro`, `rest` and `sms`, a link's also `button`; the layouts beside the languages
make plain text, HTML and SMS of them. A folder that an operator names in TEMPLATES["DIRS"] may replace any of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.template.loader import render_to_string
from django.utils import translation

from mfa import conf

LANGUAGES: Final = ("en", "fr", "de", "es")


@dataclass(frozen=True, slots=True)
class Email:
    """A message ready for the mail server."""

    subject: str
    text: str
    html: str
    language: str


def supported(*wishes: str) -> str:
    """The first of `wishes` (`fr`, `fr-CH`) in which messages exist; English when there is none."""
    for wish in wishes:
        language = wish.partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def email(template: str, language: str, facts: Mapping[str, Any]) -> Email:
    """The e-mail `template` about `facts`."""
    language = supported(language)
    return Email(
        subject=" ".join(_rendered("subject.txt", template, language, facts).split()),
        text=_rendered("email.txt", template, language, facts).strip() + "\n",
        html=_rendered("email.html", template, language, facts).strip() + "\n",
        language=language,
    )


def sms(template: str, language: str, facts: Mapping[str, Any]) -> str:
    """The SMS `template` about `facts`."""
    return _rendered("sms.txt", template, supported(language), facts).strip()


def _rendered(layout: str, template: str, language: str, facts: Mapping[str, Any]) -> str:
    context = {
        **facts,
        "layout": f"mfa/messages/{layout}",
        "language": language,
        "issuer": conf.issuer(),
        "public_url": conf.public_url(),
        "host": urlsplit(conf.public_url()).hostname,
    }
    if "at" in facts:
        context["at"] = datetime.fromisoformat(facts["at"])
    with translation.override(language):
        return str(render_to_string(f"mfa/messages/{language}/{template}.txt", context))
