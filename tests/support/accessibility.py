"""What axe finds wrong with a page, by the rules of WCAG 2.2 and its own best practices."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def faults(page: Page) -> list[str]:
    """Each broken rule with the elements that break it; in the dark only the contrast differs, and is looked at again."""
    found = []
    for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for broken in Axe().run(page, options=options).response["violations"]:
            found += [f"{scheme}: {broken['id']}: {node['html'][:200]}" for node in broken["nodes"]]
    page.emulate_media(color_scheme="light")
    return found


def overflows(page: Page, width: int = 320) -> bool:
    """Whether the page is wider than a small telephone (WCAG 2.2, 1.4.10)."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 640})
    wide: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    if before:
        page.set_viewport_size(before)
    return wide
