"""Every place where something planted might lie, by name, as bytes."""

from __future__ import annotations

import email
import email.policy
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.security.canary.observed import Observed
from tests.security.canary.planted import Plants
from tests.security.canary.spellings import found_in, spellings, with_unpacked

SHOWN_BYTES = 80  # on either side of a hit


@dataclass(frozen=True)
class Haystack:
    sort: str
    name: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.sort} {self.name}".strip()


@dataclass(frozen=True)
class Hit:
    what: str
    sort: str
    place: str
    spelt: str
    excerpt: bytes


def sweep(searched: list[Haystack], plants: Plants) -> list[Hit]:
    """Whatever stands where it must not."""
    return [
        Hit(planted.name, hay.sort, str(hay), spelling, _around(hay.data, spellings(planted.text)[spelling]))
        for hay in searched
        for planted in plants.all()
        if not planted.is_at_home_in(str(hay))
        for spelling in found_in(hay.data, planted.text)
    ]


def report(hits: list[Hit]) -> str:
    """A line for each thing and place, with what stands around it."""
    told = {(hit.what, hit.place): hit.excerpt for hit in hits}
    return "\n".join(f"{what} in {place}: {excerpt!r}" for (what, place), excerpt in sorted(told.items()))


def sorts_of(searched: list[Haystack], text: str) -> set[str]:
    """In which sorts of places `text` stands: shows that a sweep looks where it says."""
    return {hay.sort for hay in searched if found_in(hay.data, text)}


def _around(data: bytes, found: bytes) -> bytes:
    at = data.find(found)
    return data[max(0, at - SHOWN_BYTES) : at + len(found) + SHOWN_BYTES]


def haystacks(stack: Observed) -> Iterator[Haystack]:
    for hay in _all(stack):
        yield replace(hay, data=with_unpacked(hay.data))


def _all(stack: Observed) -> Iterator[Haystack]:
    yield from (Haystack(*answer) for answer in stack.answers)
    yield Haystack("redis commands", "", stack.redis.commands())
    yield Haystack("redis keys", "", stack.redis.keys())
    yield from _processes(stack)
    yield from _emails(stack.folder / "mail")
    yield from _files(stack)
    if stack.database_url:
        yield Haystack("database", "dump", _dump(stack.database_url))


def _processes(stack: Observed) -> Iterator[Haystack]:
    for process_id in stack.process_ids():
        for table in ("cmdline", "environ"):
            try:
                yield Haystack(f"process {table}", str(process_id), Path(f"/proc/{process_id}/{table}").read_bytes())
            except OSError:  # it has ended meanwhile
                continue


def _emails(folder: Path) -> Iterator[Haystack]:
    """As they went out, and as they are read."""
    for path in folder.iterdir():
        sent = path.read_bytes()
        yield Haystack("email", path.name, sent)
        for part in email.message_from_bytes(sent, policy=email.policy.default).walk():
            if not part.is_multipart():
                yield Haystack("email", f"{path.name} as read", part.get_payload(decode=True) or b"")


def _files(stack: Observed) -> Iterator[Haystack]:
    """Whatever lies in the folders that the stack may write to: database, Redis's own file, logs, temporary files."""
    for folder in (stack.state, stack.folder / "tmp"):
        for inner, _, names in os.walk(folder):
            for path in (Path(inner) / name for name in names):
                with suppress(FileNotFoundError):  # a temporary one, gone meanwhile
                    if path.is_file():
                        yield Haystack(_sort_of(path), str(path.relative_to(stack.folder)), path.read_bytes())


def _sort_of(path: Path) -> str:
    if "sqlite3" in path.name:
        return "database"
    if path.suffix == ".log":
        return "log"
    return "redis file" if "appendonly" in path.name else "file"


def _dump(database_url: str) -> bytes:
    return subprocess.run(["pg_dump", database_url], capture_output=True, check=True).stdout
