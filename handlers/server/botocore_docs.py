"""Botocore without the modules that write its documentation.

It loads them whenever it is loaded, and they take a thirtieth of a cold start. A function writes no
documentation, so something empty stands for them while the function starts. Whatever loads them
later gets the real ones.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Self

_MODULES = ("botocore.docs.docstring", "botocore.docs.utils")


class _NoText(str):
    """A docstring that is empty, or something that adds nothing to one."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Self:
        return super().__new__(cls)

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return _add_nothing


def _add_nothing(**_: object) -> None: ...


@contextmanager
def without_docs() -> Iterator[None]:
    """Let what is loaded in this block load botocore without them."""
    absent = [name for name in _MODULES if name not in sys.modules]
    for name in absent:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name])["__getattr__"] = lambda _name: _NoText
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
