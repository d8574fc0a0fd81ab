"""Botocore without the modules that a function never asks anything of.

They are a twentieth of a cold start: botocore loads them whenever it is loaded. Most can be bound
without being loaded. From those that write its documentation it takes classes at once, so something
empty stands for these while a function starts; whatever loads them later gets the real ones.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Self

import botocore

from handlers.access.unloaded import bind_unloaded

_UNUSED = ("handlers", "monitoring", "retryhandler", "translate", "waiter")
_DOCS = "botocore.docs.docstring"


class _NoText(str):
    """A docstring that is empty."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Self:
        return super().__new__(cls)


@contextmanager
def lean_botocore() -> Iterator[None]:
    """Let what is loaded in this block load botocore without them."""
    bind_unloaded(botocore, *_UNUSED)
    is_absent = _DOCS not in sys.modules
    if is_absent:
        sys.modules[_DOCS] = ModuleType(_DOCS)
        vars(sys.modules[_DOCS])["__getattr__"] = lambda _name: _NoText
    try:
        yield
    finally:
        if is_absent:
            del sys.modules[_DOCS]
