"""Where the keyring may come from: each place is a `KeySource`. One more is a class here and a line in `sources`."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from django.conf import settings

from tenants.sealing.ring import Keyring, KeyringError, parse


class KeySource(Protocol):
    def load(self) -> Keyring | None:
        """The keyring that lies there; None where nothing is set. Raises KeyringError for one that is unfit."""


@dataclass(frozen=True)
class Setting:
    """KEYRING: `id:base64key` each, separated by commas."""

    text: str = field(repr=False)

    def load(self) -> Keyring | None:
        return parse(self.text) if self.text else None


@dataclass(frozen=True)
class File:
    """KEYRING_FILE: a line each, readable by its owner alone."""

    path: str

    def load(self) -> Keyring | None:
        return parse(_read(Path(self.path))) if self.path else None


def sources() -> tuple[KeySource, ...]:
    return Setting(settings.KEYRING), File(settings.KEYRING_FILE)


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(
            f"KEYRING_FILE {path} cannot be read: {type(error).__name__}. Check path and owner."
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyringError(f"KEYRING_FILE {path} is open to others. Run `chmod 600 {path}`.")
    return text
