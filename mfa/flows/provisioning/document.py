"""YAML or JSON text made into plain values, with nothing in it that could run, repeat itself or explode."""

import json
from typing import Any

import yaml

from mfa.flows.provisioning.fields import NotAcceptable

MAXIMUM_BYTES = 32 * 1024 * 1024
_MAXIMUM_VALUES = 2_000_000
_MAXIMUM_DEPTH = 12


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a repeated key and leaves dates as the text that they are."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge keys (`<<`) are not merged: nested ones grow exponentially. They are refused as unknown keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice in this mapping", node.start_mark)
        return found


_Loader.add_constructor("tag:yaml.org,2002:merge", lambda loader, node: "<<")


def parse(data: bytes) -> Any:
    """The document's plain values; raises NotAcceptable with what is wrong and where."""
    if len(data) > MAXIMUM_BYTES:
        raise NotAcceptable([f"the file is larger than {MAXIMUM_BYTES // 1024 // 1024} MiB"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAcceptable(["the file is not UTF-8"]) from None
    try:
        found = _json(text) if text.lstrip().startswith(("{", "[")) else _yaml(text)
    except RecursionError:
        raise NotAcceptable(["the file is nested too deep"]) from None
    _refuse_explosions(found)
    return found


def _json(text: str) -> Any:
    """JSON, or YAML that only begins like it."""
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except ValueError:
        return _yaml(text)


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  _Loader is a SafeLoader.
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        raise NotAcceptable([f"line {where.line + 1 if where else 1}: {error.problem or error.context}"]) from None
    except yaml.YAMLError:
        raise NotAcceptable(["the file holds characters that YAML does not allow"]) from None
    except ValueError:
        raise NotAcceptable(["the file holds a number or a date that does not exist"]) from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of these pairs; a key that stands twice is refused, since the last would silently win."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotAcceptable([f"the key {twice[:80]!r} stands twice in one mapping"])
    return found


def _refuse_explosions(found: Any) -> None:
    """A few lines of aliases can stand for billions of values, or for a mapping that holds itself."""
    left = [(found, 0)]
    count = 0
    while left:
        value, depth = left.pop()
        count += 1
        if depth > _MAXIMUM_DEPTH or count > _MAXIMUM_VALUES:
            raise NotAcceptable(["the file stands for too many values, or is nested too deep"])
        if isinstance(value, dict):
            left.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            left.extend((inner, depth + 1) for inner in value)
