"""Hear SIGTERM and SIGINT before uvicorn acts on them, so that streams end first instead of holding the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from providers.stopping import stopping

__all__ = ["listening", "stopping"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def listening() -> Iterator[None]:
    """Set `stopping` on a stop signal, then do what was installed for it. Only the main thread may: else nothing."""
    stopping.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    installed = {number: signal.getsignal(number) for number in SIGNALS}
    for number, former in installed.items():
        signal.signal(number, _then(former))
    try:
        yield
    finally:
        for number, former in installed.items():
            signal.signal(number, former)


def _then(former: Any) -> Any:
    def heard(number: int, frame: FrameType | None) -> None:
        stopping.set()
        if callable(former):
            former(number, frame)
        elif former == signal.SIG_DFL:  # nobody serves: die of it as before
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    return heard
