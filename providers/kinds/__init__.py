"""The kinds of model server we know. A new one is a module here and a line in `KINDS`."""

from __future__ import annotations

from typing import Final

from providers.kinds.base import Field, FoundModel, Identity, Kind, ProbeResult
from providers.kinds.localai import LocalAI
from providers.kinds.openai_compatible import OpenAICompatible
from providers.kinds.xinference import Xinference

__all__ = ["KINDS", "Field", "FoundModel", "Identity", "Kind", "ProbeResult"]

KINDS: Final[dict[str, Kind]] = {kind.kind: kind for kind in (LocalAI(), Xinference(), OpenAICompatible())}
