"""Every message, in every language, for every medium."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from mfa.delivery import messages
from mfa.flows.notices import NOTICES

FOLDER = Path(django_settings.BASE_DIR) / "mfa" / "templates" / "mfa" / "messages"
CODES = {"sign_in_code", "sign_in_link", "enrolment_code", "password_reset"}
TEMPLATES = sorted(CODES | set(NOTICES) | {"password_reset_not_possible"})
FACTS = {
    "label": "a <phone>",
    "left": 7,
    "username": "tt29",
    "application": "Payroll & Co",
    "address": "198.51.100.7",
    "at": "2026-03-04T05:06:07+00:00",
    "seconds": 60,
    "minutes": 30,
}
# GSM 03.38, 6.2.1: what one SMS of 160 characters may hold; anything else makes it 70.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)


def facts_of(template: str) -> dict[str, object]:
    if template == "sign_in_link":
        return {**FACTS, "url": "http://localhost:5000/mfa/approve/token"}
    return {**FACTS, "code": "012345"} if template in CODES else FACTS


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_message_exists_in_every_language_and_there_are_no_others(language: str) -> None:
    assert sorted(path.stem for path in (FOLDER / language).glob("[!_]*.txt")) == TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_languages_tell_the_same_facts(template: str) -> None:
    def facts_in(language: str) -> set[str]:
        return set(re.findall(r"{{ (\w+)", (FOLDER / language / f"{template}.txt").read_text()))

    assert all(facts_in(language) == facts_in("en") for language in messages.LANGUAGES)


@pytest.mark.parametrize("language", messages.LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_message_says_what_happened_when_and_what_to_do(template: str, language: str) -> None:
    facts = facts_of(template)
    mail = messages.email(template, language, facts)
    assert 0 < len(mail.subject) <= 78
    assert "\n" not in mail.subject
    assert "012345" not in mail.subject, "a locked screen shows subjects"
    assert "2026, 05:06 UTC" in mail.text
    assert "198.51.100.7" in mail.text
    if not template.startswith("password_reset"):
        assert "/account/" in mail.text, "where to go if it was not you"
    assert "{" not in mail.text + mail.html.partition("<body")[2]
    assert f'<html lang="{language}">' in mail.html
    assert "Payroll &amp; Co" in mail.html
    assert "Payroll & Co" in mail.text
    if template in CODES:
        proof = str(facts.get("code") or facts["url"])
        assert proof in mail.text
        assert proof in mail.html
        assert proof in messages.sms(template, language, facts)
    if "label" in NOTICES.get(template, ()):
        assert "a <phone>" in mail.text
        assert "a &lt;phone&gt;" in mail.html


@pytest.mark.parametrize("language", ["fr", "de", "es"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_translation_is_no_copy_of_the_english(template: str, language: str) -> None:
    facts = facts_of(template)
    translated, english = messages.email(template, language, facts), messages.email(template, "en", facts)
    assert translated.subject != english.subject
    assert not set(translated.text.splitlines()) & {
        line for line in english.text.splitlines() if line.strip().count(" ") > 3
    }
    assert messages.sms(template, language, facts) != messages.sms(template, "en", facts)


@pytest.mark.parametrize("language", messages.LANGUAGES)
@pytest.mark.parametrize("template", ["sign_in_code", "enrolment_code"])
def test_a_code_fits_into_two_sms_at_most_and_tells_phones_where_it_belongs(template: str, language: str) -> None:
    text = messages.sms(template, language, facts_of(template))
    assert text.splitlines()[-1] == "@localhost #012345"
    assert len(text) <= (160 if set(text) <= GSM else 134)


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_message_fetches_nothing_and_runs_nothing(language: str) -> None:
    html = "".join(messages.email(template, language, facts_of(template)).html for template in TEMPLATES)
    assert not re.search(r"<(img|script|link|iframe|style)|url\(|@import", html)


def test_the_month_is_named_in_the_language_of_the_message() -> None:
    said = [messages.email("password_changed", language, FACTS).text for language in messages.LANGUAGES]
    assert [
        month in text for month, text in zip(["4 March", "4 mars", "4. März", "4 de marzo"], said, strict=True)
    ] == [True] * 4


@pytest.mark.parametrize(
    ("wishes", "language"),
    [(("fr",), "fr"), (("fr-CH",), "fr"), (("", "de"), "de"), (("it", "es-MX"), "es"), (("it",), "en"), ((), "en")],
)
def test_the_first_language_we_speak_is_taken(wishes: tuple[str, ...], language: str) -> None:
    assert messages.supported(*wishes) == language
