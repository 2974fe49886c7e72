"""What a job can ask for. One line here, and a shape, is what a new operation needs on this side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from providers.jobs.shapes import (
    Check,
    check_chat,
    check_completion,
    check_embedding,
    check_image,
    check_moderation,
    check_rerank,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """`streams`: the model server can answer in chunks, so it is always asked to; only then does it notice a cancel."""

    name: str
    check: Check
    streams: bool

    def may_stream(self, body: Mapping[str, Any]) -> bool:
        """LocalAI streams a completion for exactly one prompt."""
        return self.streams and not (isinstance(body.get("prompt"), list) and len(body["prompt"]) > 1)


OPERATIONS: Final[dict[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation("chat.completions", check_chat, streams=True),
        Operation("completions", check_completion, streams=True),
        Operation("embeddings", check_embedding, streams=False),
        Operation("rerank", check_rerank, streams=False),
        Operation("moderations", check_moderation, streams=False),
        Operation("images.generations", check_image, streams=False),
    )
}
NAMES: Final = tuple(OPERATIONS)

# Named by the contract, answered 400 `operation_not_available` until built.
LATER: Final = frozenset(
    {
        "audio.transcriptions",
        "audio.translations",
        "audio.speech",
        "responses",
        "models.warm_up",
    }
)
