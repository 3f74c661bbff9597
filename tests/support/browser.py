"""Debian's Chromium, headless, driven by playwright; `CHROMIUM` names another build."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.soft_authenticator import NotScannable, SoftAuthenticator

QUIET = [
    # Chromium refuses its sandbox to root; the pages it opens here are our own.
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
    # Nothing but the page: none of Chromium's own connections leave the machine.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


def chromium_path() -> str:
    """Where Chromium is; fails with the command that brings it."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is not installed; run `make setup-test`."
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process."""
    # playwright runs its own event loop in this thread, which Django would take for an asynchronous view of ours.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # As long as a click waits; of itself an expectation waits for 5 s, which a busy machine may take over a page.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page(browser: Browser, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A page with cookies of its own; an uncaught exception or an error in its console, CSP's included, fails the test.

    Chromium also writes a line for each answer of 400 and above; refusals are part of normal work, so those may come.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
    try:
        yield opened
    finally:
        context.close()
    assert not complaints, complaints


def scanned(page: Page) -> SoftAuthenticator:
    """What a telephone makes of the QR on the screen, once the picture is painted."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return SoftAuthenticator.scan(page.locator("img.qr").screenshot())
        except NotScannable:
            assert time.monotonic() < deadline, "no QR code was painted"


def _is_complaint(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.text.startswith("Failed to load resource: the server responded with")
