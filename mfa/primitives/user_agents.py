"""A browser by the name that its owner knows it by. For people to recognise, and for no decision."""

from typing import Final

# The first that is found is meant: most browsers name others beside themselves.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
_LONGEST: Final = 40


def described(user_agent: str) -> str:
    """`Firefox, Windows` for a browser; for a program its own first word; "" when nothing was said."""
    browser = next((name for token, name in _BROWSERS if token in user_agent), "")
    system = next((name for token, name in _SYSTEMS if token in user_agent), "")
    if browser:
        return f"{browser}, {system}" if system else browser
    first = user_agent.partition(" ")[0].partition("/")[0]
    return "".join(character for character in first if character.isprintable())[:_LONGEST]
