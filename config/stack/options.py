"""What `bin/up` may be told. Standard library only: it is read before anything is installed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_PORT = 8000
EPILOG = """\
environment, passed through: WEB_WORKERS, WORKER_CONCURRENCY, REDIS_URL (instead of the embedded Valkey),
DATABASE_URL (instead of SQLite), EGRESS_ALLOW, and every other setting of docs/operations.md
"""


@dataclass(frozen=True)
class Options:
    port: int | None  # None: a free one
    state: Path
    once: bool
    demo: bool
    localai: str | None
    localai_key_file: Path | None

    @property
    def has_provider(self) -> bool:
        return self.demo or self.localai is not None

    def as_arguments(self) -> list[str]:
        """The same again, independent of the folder they were given in."""
        words = ["--state", str(self.state), *(["--port", str(self.port)] if self.port is not None else [])]
        words += ["--once"] * self.once + ["--no-demo"] * (not self.has_provider)
        words += ["--localai", self.localai] if self.localai else []
        return words + (["--localai-key-file", str(self.localai_key_file)] if self.localai_key_file else [])

    def groups(self, environment: Mapping[str, str] = os.environ) -> list[str]:
        """Which lock files of requirements/ this start needs."""
        embedded = [] if has_own_redis(environment) else ["embedded"]
        return ["base", *embedded, *(["demo"] if self.demo else [])]


def has_own_redis(environment: Mapping[str, str]) -> bool:
    """Whether the person named a Redis: then none is started."""
    return bool(environment.get("REDIS_URL") or environment.get("REDIS_URL_FILE"))


def parse(arguments: Sequence[str]) -> Options:
    """Ends the program with status 2 and one clear line when the arguments make no sense."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.no_demo and given.localai:
        parser.error("--no-demo and --localai say the opposite of each other")
    if given.once and given.no_demo:
        parser.error("--once needs a model server: leave out --no-demo, or name one with --localai")
    if given.localai_key_file and not given.localai:
        parser.error("--localai-key-file needs --localai")
    return Options(
        port=given.port if given.port is not None or given.once else DEFAULT_PORT,
        state=Path(given.state).absolute(),
        once=given.once,
        demo=not (given.no_demo or given.localai),
        localai=given.localai,
        localai_key_file=given.localai_key_file.absolute() if given.localai_key_file else None,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/up",
        description="Run the whole of Modelyard on this machine and do its main job once.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=_port, help=f"where to listen ({DEFAULT_PORT}; --once: a free one)")
    parser.add_argument("--state", metavar="DIR", default=ROOT / "var", help="what is kept between starts (var/)")
    parser.add_argument("--once", action="store_true", help="do the main job, then end; status 0 only if it went well")
    parser.add_argument("--no-demo", action="store_true", help="stack, tenant and key, but no provider")
    parser.add_argument("--localai", metavar="URL", type=_url, help="use this LocalAI instead of the demo's")
    parser.add_argument("--localai-key-file", metavar="F", type=Path, help="its key (or set LOCALAI_API_KEY)")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _url(text: str) -> str:
    if urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as http://192.168.1.100:8080")
    return text
