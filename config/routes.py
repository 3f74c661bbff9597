"""What a route is called where people read it: in the log, in metrics, in the OpenAPI document."""

import re
from functools import lru_cache
from typing import Final

_ANY_CASE: Final = re.compile(r"\[([A-Za-z])[A-Za-z]\]")


@lru_cache(maxsize=256)
def readable(route: str) -> str:
    """A route that is matched in any case, letter by letter, as it is documented; any other as it is."""
    if "[" not in route:
        return route
    return _ANY_CASE.sub(r"\1", route).strip("^").removesuffix("/?$")
