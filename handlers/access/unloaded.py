"""Modules that a library names and a server does not use: bound, and not loaded."""

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType


def bind_unloaded(package: ModuleType, *names: str) -> None:
    """Give a package modules of its own that are loaded when something is first asked of them.

    With `importlib`'s own loader; those that are loaded already stay as they are.
    """
    for full_name, name in ((f"{package.__name__}.{name}", name) for name in names):
        spec = None if full_name in sys.modules else find_spec(full_name)
        if spec is None or spec.loader is None:
            continue
        spec.loader = LazyLoader(spec.loader)
        module = sys.modules[full_name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(package, name, module)
