"""The pages speak English, French, German and Spanish, and every sentence of theirs does."""

import ast
import re
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.utils import translation

from mfa import web

WEB = Path(web.__path__[0])
TEMPLATES = WEB.parent / "templates"
LANGUAGES = ["fr", "de", "es"]
# The same word in one language or another.
SAME = {"Administration", "Application", "E-mail", "Name", "Sessions", "PIN"}


def sentences() -> set[str]:
    """What the templates and the modules of the pages ask to have translated, but for sentences with gaps."""
    found: set[str] = set()
    for template in [*(TEMPLATES / "mfa").rglob("*.html"), *(TEMPLATES / "stateless").rglob("*.html")]:
        found |= set(re.findall(r'{% translate "([^"]+)" %}', template.read_text()))
    for module in WEB.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                found.add(ast.literal_eval(node.args[0]))
    return found


def test_there_are_sentences_to_look_at() -> None:
    assert len(sentences()) > 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    with translation.override(language):
        assert {said for said in sentences() if translation.gettext(said) == said} <= SAME


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "said"), [("en", "Sign in"), ("fr", "Se connecter"), ("de", "Anmelden"), ("es", "Iniciar sesión")]
)
def test_a_page_is_in_the_browsers_language(language: str, said: str) -> None:
    page = Browser(headers={"Accept-Language": f"{language},en;q=0.5"}).get("/account/sign-in").content.decode()
    assert f'<html lang="{language}">' in page
    assert f"<h1>{said}</h1>" in page


@pytest.mark.django_db
def test_an_unknown_language_is_answered_in_english() -> None:
    page = Browser(headers={"Accept-Language": "tlh"}).get("/account/sign-in").content.decode()
    assert "<h1>Sign in</h1>" in page
