"""Any server that speaks OpenAI's HTTP API: llama.cpp, vLLM, a hosted service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from providers.kinds.base import Field, FoundModel, Kind, Type
from providers.kinds.forms import LOCALHOST_WARNING
from providers.kinds.replies import ask, positive, read_lines

if TYPE_CHECKING:
    from providers.upstream.client import UpstreamClient
    from providers.upstream.target import Target

# Servers that add the context size to a line of the list, each under its own name.
_CONTEXT_KEYS: Final = ("max_model_len", "context_length", "context_window", "n_ctx")

_ALWAYS_INLINE: Final = ("gpt-image-", "chatgpt-image-")


class OpenAICompatible(Kind):
    kind = "openai_compatible"
    label = "OpenAI-compatible"
    description = "Any server with OpenAI's HTTP API under /v1."
    model_types: ClassVar[tuple[Type, ...]] = (
        "llm",
        "text-embedding",
        "rerank",
        "speech2text",
        "tts",
        "image",
        "moderation",
    )
    fields = (Field("api_key", "API key", "Sent as a bearer token. Leave it empty for a server without keys."),)
    docs_url = "https://platform.openai.com/docs/api-reference"
    placeholder = "https://api.example.com"
    base_url_help = f"The address up to, and without, /v1. {LOCALHOST_WARNING}"

    def fixed_fields(self, operation: str, upstream_name: str, body: Mapping[str, Any]) -> dict[str, str]:
        """OpenAI's own gpt-image models send images in no other form, and refuse to be asked for one."""
        fields = super().fixed_fields(operation, upstream_name, body)
        return {} if upstream_name.startswith(_ALWAYS_INLINE) else fields

    async def list_models(self, client: UpstreamClient, target: Target) -> list[FoundModel]:
        """Names and, where told, context sizes. The API says nothing about types: the entries declare them."""
        lines = read_lines(await ask(client, target, "/v1/models"))
        return [_found(str(line["id"]), line) for line in lines if line.get("id")]


def _found(name: str, line: dict[str, object]) -> FoundModel:
    sizes = (positive(line.get(key)) for key in _CONTEXT_KEYS)
    context_size = next((size for size in sizes if size), None)
    source = {"context_size": "listing"} if context_size else {}
    return FoundModel(upstream_name=name, context_size=context_size, source=source)
