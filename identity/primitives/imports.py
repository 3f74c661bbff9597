"""Keeping out of a process what a library imports for features that nobody uses here.

Around the library's first import, and nowhere else: what is imported is imported for good.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Meanwhile `import name` raises ImportError, as if the optional package were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    # The import system's own sign for what is not there, of which its types know nothing.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def on_first_use(*names: str) -> Iterator[None]:
    """Meanwhile `import name` gives a stand-in, which imports the module when something of it is asked for."""
    put = [name for name in names if name not in sys.modules]
    sys.modules.update({name: _StandIn(name) for name in put})
    try:
        yield
    finally:
        for name in put:
            if isinstance(sys.modules[name], _StandIn):
                del sys.modules[name]


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # The import system's own questions.
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
