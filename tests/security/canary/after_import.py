"""Change modules of a process from outside, right after each has been imported and before anybody else sees it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

Change = Callable[[ModuleType], None]


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, changes: Mapping[str, Change]) -> None:
        self._left = dict(changes)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        change = self._left.pop(fullname, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(fullname)  # by the other finders: this one no longer knows the name
        assert spec is not None, fullname
        assert spec.loader is not None, fullname
        spec.loader = _Loader(spec.loader, change)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, change: Change) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


def change(changes: Mapping[str, Change]) -> None:
    """`changes` is by module name. Each is made once, when its module is imported."""
    sys.meta_path.insert(0, _Finder(changes))


def wrapped(module: ModuleType, name: str, around: Callable[..., object]) -> None:
    """Put `around(original, *args, **kwargs)` in the place of a function of the module."""
    original = getattr(module, name)

    def instead(*args: object, **kwargs: object) -> object:
        return around(original, *args, **kwargs)

    setattr(module, name, instead)
