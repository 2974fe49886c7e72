"""What a model server says, made fit to be stored: databases refuse characters that JSON may carry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

LARGEST_COUNT: Final = 2**31 - 1  # what a column of counts holds
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"


def storable(value: Any) -> Any:
    """The same JSON without NUL, halves of surrogate pairs and numbers that are none."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(_REPLACEMENT, value)
    if isinstance(value, Mapping):
        return {storable(str(name)): storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def count(value: Any) -> int | None:
    """A positive whole number that a column holds; None for anything else that a server may have sent."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 1 <= value <= LARGEST_COUNT else None
