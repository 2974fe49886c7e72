"""What `bin/up` tells: live in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

INDENT = "  "


class Show:
    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            reconfigure: Any = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace", line_buffering=True)
        self.console = Console(highlight=False, soft_wrap=True)
        self.is_live = self.console.is_terminal
        self._line_is_open = False

    def head(self, text: str) -> None:
        if self.is_live:
            self._print(Text())
        self._print(Text(text, style="bold"))

    def line(self, text: str) -> None:
        self._print(Text(INDENT + text))

    def done(self, what: str, detail: str = "") -> None:
        self._result("✓" if self.is_live else "ok", "green", what, detail)

    def failed(self, what: str, detail: str = "") -> None:
        self._result("✗" if self.is_live else "FAILED", "red", what, detail)

    def token(self, text: str) -> None:
        """A piece of an answer, as it comes."""
        if not self._line_is_open:
            self.console.print(INDENT, end="")
        self._line_is_open = True
        self.console.print(Text(text.replace("\n", "\n" + INDENT), style="cyan"), end="")
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        """One line about the stack itself, such as a child that is started again."""
        self._print(Text(text, style="yellow"))

    def error(self, text: str) -> None:
        self._close_line()
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A spinner where there is a terminal."""
        if not self.is_live:
            yield
            return
        with self.console.status(Text(text)):
            yield

    def _result(self, mark: str, style: str, what: str, detail: str) -> None:
        line = Text.assemble(INDENT, (mark, style), " ", what)
        self._print(line.append(f"  {detail}", "dim") if detail else line)

    def _print(self, text: Text) -> None:
        self._close_line()
        self.console.print(text)
        sys.stdout.flush()

    def _close_line(self) -> None:
        if self._line_is_open:
            self._line_is_open = False
            self.console.print()
