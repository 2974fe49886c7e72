"""A text that must not be seen: it hides from repr, str, format and logs, and refuses pickle, copies and use as a
dictionary key."""

from __future__ import annotations

import hmac
from typing import NoReturn

HIDDEN = "•••"


class Secret:
    """Call `reveal()` only where the text goes onto the wire or into a seal."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, format_spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A Secret does not travel: send the row's id, and open it where it is used.")
