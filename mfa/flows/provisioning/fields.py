"""Reading one mapping of the file key by key: a value has the declared type, or the path of the offender is noted."""

import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any


class NotAcceptable(Exception):
    """The file is refused as a whole; `problems` are sentences, each with the path of an offending entry."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Fields:
    """A mapping at `path`. Every reader returns its default where it has noted a problem."""

    def __init__(self, value: Any, path: str, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        self._read: set[str] = set()
        self._values: dict[Any, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.problems.append(f"{path or 'the file'}: must be a mapping, not {kind_of(value)}")

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, why: str) -> None:
        self.problems.append(f"{self.at(name)}: {why}")

    def has(self, name: str) -> bool:
        """Whether the key stands there with a value; null is the same as left out."""
        self._read.add(name)
        return self._values.get(name) is not None

    def text(self, name: str, default: str = "", *, longest: int = 255, required: bool = False) -> str:
        """One line of text without control characters."""
        value = self._take(name, str, "text", default if not required else None)
        if value is None:
            if not self.has(name):
                self.refuse(name, "is missing")
            return default
        if unusable_characters(value):
            self.refuse(name, "holds characters that cannot be kept")
            return default
        if len(value) > longest:
            self.refuse(name, f"is longer than {longest} characters")
            return default
        if required and not value:
            self.refuse(name, "is empty")
        return str(value)

    def secret(self, name: str) -> str | None:
        """Text that is neither trimmed nor quoted in a message; None when left out."""
        value: str | None = self._take(name, str, "text", None)
        if value is not None and any(unicodedata.category(character) == "Cs" for character in value):
            self.refuse(name, "holds characters that cannot be kept")
            return None
        return value

    def boolean(self, name: str, default: bool) -> bool:
        return bool(self._take(name, bool, "true or false", default))

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        value: int = self._take(name, int, "a whole number", default)
        if not least <= value <= most:
            self.refuse(name, f"must be between {least} and {most}")
            return default
        return value

    def choice(self, name: str, default: str, allowed: Iterable[str]) -> str:
        allowed = list(allowed)
        if "off" in allowed and self._values.get(name) is False:
            self._read.add(name)
            return "off"  # YAML 1.1 reads an unquoted `off` as false.
        value = self._take(name, str, f"one of {', '.join(allowed)}", default)
        if value not in allowed:
            self.refuse(name, f"must be one of {', '.join(allowed)}")
            return default
        return str(value)

    def texts(self, name: str, *, among: Iterable[str] | None = None, longest: int = 255) -> list[str]:
        """A list of texts, each once."""
        found: list[str] = []
        allowed = None if among is None else list(among)
        for index, value in enumerate(self._take(name, list, "a list", [])):
            where = f"{name}[{index}]"
            if not isinstance(value, str):
                self.refuse(where, f"must be text, not {kind_of(value)}")
            elif allowed is not None and value not in allowed:
                self.refuse(where, f"must be one of {', '.join(allowed)}")
            elif not value or len(value) > longest or unusable_characters(value):
                self.refuse(where, "is empty, too long or holds characters that cannot be kept")
            elif value in found:
                self.refuse(where, "stands there twice")
            else:
                found.append(value)
        return found

    def instant(self, name: str) -> datetime | None:
        """An ISO 8601 date (00:00 UTC) or date-time (UTC unless it names an offset)."""
        value = self._values.get(name)
        self._read.add(name)
        if value is None:
            return None
        found = _as_instant(value)
        if found is None:
            self.refuse(name, "must be a date such as 2026-03-31, or a date-time such as 2026-03-31T08:00:00Z")
        return found

    def block(self, name: str) -> "Fields | None":
        """The mapping under `name`, or None when it is left out."""
        return Fields(self._values[name], self.at(name), self.problems) if self.has(name) else None

    def blocks(self, name: str) -> "list[Fields] | None":
        """The mappings of the list under `name`, or None when it is left out."""
        if not self.has(name):
            return None
        values = self._take(name, list, "a list", [])
        return [Fields(value, f"{self.at(name)}[{index}]", self.problems) for index, value in enumerate(values)]

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for name in self._values:
            if name not in self._read:
                shown = name if isinstance(name, str) and not unusable_characters(name) else repr(name)
                self.refuse(shown[:80], f"is not a key of this place, which knows {', '.join(sorted(self._read))}")

    def _take(self, name: str, kind: type, description: str, default: Any) -> Any:
        self._read.add(name)
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.refuse(name, f"must be {description}, not {kind_of(value)}{_advice(kind, value)}")
            return default
        return value


def unusable_characters(text: str) -> bool:
    """Control characters and halves of surrogate pairs: databases refuse them, and no reader sees them."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def kind_of(value: Any) -> str:
    """What a value is, in words, without quoting it: it may be a password that stands in the wrong place."""
    names: dict[type, str] = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
        type(None): "nothing",
    }
    return names.get(type(value), "a value of another kind")


def _advice(kind: type, value: Any) -> str:
    return " (put it in quotes)" if kind is str and isinstance(value, bool | int | float) else ""


def _as_instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.min, UTC)
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
