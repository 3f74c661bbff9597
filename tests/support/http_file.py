"""Reads `docs/reference/flow.http`: requests with names, variables, and what each shall be answered."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it stands in the file, its variables unfilled. `status` and `word` are what it shall be answered."""

    name: str
    title: str
    method: str
    url: str
    headers: dict[str, str]
    body: str
    prompts: tuple[str, ...]
    status: int
    word: str


def parse(text: str) -> tuple[dict[str, str], list[Request]]:
    """The file's own variables and its requests, in order."""
    head, *blocks = re.split(r"^###", text, flags=re.MULTILINE)
    variables = dict(re.findall(r"^@(\w+) = (.+)$", head, re.MULTILINE))
    return variables, [_request(block) for block in blocks]


def filled(text: str, variables: dict[str, Any]) -> str:
    """The text with `{{name}}` and `{{request.response.body.path[0].to}}` filled in; KeyError where one is unknown."""
    return re.sub(r"\{\{([^}]+)\}\}", lambda found: str(_value(found.group(1), variables)), text)


def _request(block: str) -> Request:
    title, _, rest = block.strip().partition("\n")
    comments = re.findall(r"^# (.*)$", rest, re.MULTILINE)
    marks = dict(re.findall(r"^@(name) (\w+)$", "\n".join(comments), re.MULTILINE))
    expected = next(line.removeprefix("-> ") for line in comments if line.startswith("-> "))
    status, _, word = expected.partition(" ")
    lines = [line for line in rest.split("\n") if not line.startswith("#")]
    message, _, body = "\n".join(lines).strip().partition("\n\n")
    first, *headers = message.split("\n")
    method, url = first.split(" ", 1)
    return Request(
        name=marks["name"],
        title=re.sub(r"^\d+\. ", "", title.strip()),
        method=method,
        url=url,
        headers=dict(header.split(": ", 1) for header in headers),
        body=body.strip(),
        prompts=tuple(re.findall(r"^@prompt (\w+)", "\n".join(comments), re.MULTILINE)),
        status=int(status),
        word=word,
    )


def _value(path: str, variables: dict[str, Any]) -> Any:
    name, *steps = re.split(r"\.|\[(\d+)\]\.?", path)
    value = variables[name]
    for step in filter(None, steps):
        if step not in ("response", "body"):
            value = value[int(step)] if isinstance(value, list) else value[step]
    return value
