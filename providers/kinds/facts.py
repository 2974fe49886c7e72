"""What is learned about a server and its models: values that cross between kinds, validation and discovery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Type = Literal["llm", "text-embedding", "rerank", "speech2text", "tts", "image", "moderation"]
Mode = Literal["chat", "completion"]


@dataclass(frozen=True)
class FoundModel:
    """A model as the server lists it. What the server does not tell is None: nothing is guessed.

    `source` says where a fact comes from: `{"type": "capabilities", "context_size": "config"}`.
    """

    upstream_name: str
    type: Type | None = None
    capabilities: tuple[str, ...] = ()
    context_size: int | None = None
    features: tuple[str, ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)
    mode: Mode | None = None
    dimensions: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "capabilities": list(self.capabilities),
            "features": list(self.features),
            "source": dict(self.source),
        }


@dataclass(frozen=True)
class Identity:
    """What the server says it is. `product` None: it answers like an API but does not tell its name."""

    product: str | None = None
    version: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class ProbeResult:
    """What a real, minimal call to one model showed."""

    upstream_name: str
    type: str
    elapsed_ms: int
    first_token_ms: int | None = None
    mode: Mode | None = None
    dimensions: int | None = None

    def as_json(self) -> dict[str, Any]:
        facts = {name: value for name, value in asdict(self).items() if value is not None}
        return {"model": facts.pop("upstream_name"), **facts}
