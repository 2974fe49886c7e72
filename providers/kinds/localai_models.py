"""What LocalAI tells about its models, gathered from evidence only: no type or context size is ever guessed.

Sources, best first for the type: /v1/models/capabilities (since v4.6.1), Ollama's /api/show, the admin's
configuration. For the context size: the configuration, then /api/show. The OpenAI listing has neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from providers.errors import ProviderError
from providers.kinds.facts import FoundModel, Mode, Type
from providers.kinds.replies import ask, names, positive, read_lines

if TYPE_CHECKING:
    from providers.upstream.client import UpstreamClient
    from providers.upstream.target import Target

# In this order: a model that can chat is an llm whatever else it can do.
TYPE_OF: Final[Mapping[str, Type]] = {
    "chat": "llm",
    "completion": "llm",
    "rerank": "rerank",
    "embeddings": "text-embedding",
    "transcript": "speech2text",
    "tts": "tts",
    "image": "image",
}
CAPABILITIES_FOR: Final[Mapping[str, frozenset[str]]] = {
    "llm": frozenset({"chat", "completion", "edit"}),
    "moderation": frozenset({"chat", "completion"}),  # a classifier prompted on a language model
    "text-embedding": frozenset({"embeddings"}),
    "rerank": frozenset({"rerank"}),
    "speech2text": frozenset({"transcript"}),
    "tts": frozenset({"tts", "sound_generation"}),
    "image": frozenset({"image"}),
}
_FEATURES: Final = {"tools": "tool-call", "vision": "vision", "thinking": "reasoning"}
_OLLAMA_NAMES: Final = {"embedding": "embeddings"}
_SEARCHED: Final = 200  # models asked about one by one
_AT_ONCE: Final = 4
_EACH_SECONDS: Final = 10.0

Facts = dict[str, Any]


async def describe_models(client: UpstreamClient, target: Target, listed: list[str]) -> list[FoundModel]:
    capabilities = await _capabilities(client, target)
    lacking = [name for name in listed if _wants_more(capabilities.get(name))][:_SEARCHED]
    shown = await _ask_each(lacking, lambda name: _show(client, target, name))
    configured = await _ask_each(lacking, lambda name: _config(client, target, name))
    return [_found(name, capabilities.get(name), shown.get(name), configured.get(name)) for name in listed]


def _wants_more(capabilities: tuple[str, ...] | None) -> bool:
    """Only language and embedding models have a context size worth asking for."""
    return not capabilities or _type_of(capabilities) in ("llm", "text-embedding")


async def _capabilities(client: UpstreamClient, target: Target) -> dict[str, tuple[str, ...]]:
    """Name -> capabilities; empty where the version has no such route. Loose files have null."""
    try:
        lines = read_lines(await ask(client, target, "/v1/models/capabilities", seconds=_EACH_SECONDS))
    except ProviderError:
        return {}
    return {str(line["id"]): names(line.get("capabilities")) for line in lines if line.get("id")}


async def _ask_each(asked: list[str], ask: Callable[[str], Any]) -> dict[str, Facts]:
    """Ask about each model, a few at once. The first is asked alone: where it gets no answer, nor would the others."""
    if not asked:
        return {}
    first = await ask(asked[0])
    if first is None:
        return {}
    gate = asyncio.Semaphore(_AT_ONCE)

    async def gated(name: str) -> Facts | None:
        async with gate:
            answer: Facts | None = await ask(name)
            return answer

    rest = await asyncio.gather(*(gated(name) for name in asked[1:]))
    return {name: facts for name, facts in zip(asked, [first, *rest], strict=True) if facts}


async def _show(client: UpstreamClient, target: Target, name: str) -> Facts | None:
    """None: the route is not there, or not for this key. Empty: this model is not known to it."""
    if ":" in name:
        return {}  # it would cut the name there and describe another model
    try:
        return _facts(await ask(client, target, "/api/show", body={"name": name}, seconds=_EACH_SECONDS))
    except ProviderError as fault:
        return {} if fault.code == "model_not_found" else None


async def _config(client: UpstreamClient, target: Target, name: str) -> Facts | None:
    if target.admin_headers is None:
        return None
    path = f"/api/models/config-json/{quote(name, safe='')}"
    try:
        return _facts(await ask(client, target, path, headers=target.admin_headers, seconds=_EACH_SECONDS))
    except ProviderError as fault:
        return {} if fault.code == "model_not_found" else None


def _facts(answer: object) -> Facts:
    return answer if isinstance(answer, dict) else {}


def _found(name: str, listed: tuple[str, ...] | None, shown: Facts | None, config: Facts | None) -> FoundModel:
    source: dict[str, str] = {}
    capabilities = _first_known(
        source, "type", ("capabilities", listed), ("show", _shown(shown)), ("config", _configured(config))
    )
    info = (shown or {}).get("model_info")
    told = info.get("general.context_length") if isinstance(info, dict) else None
    context_size = _first_known(
        source, "context_size", ("config", positive((config or {}).get("context_size"))), ("show", positive(told))
    )
    found = tuple(capabilities or ())
    model_type = _type_of(found)
    if model_type is None:
        source.pop("type", None)
    features = tuple(label for key, label in _FEATURES.items() if key in found)
    return FoundModel(
        upstream_name=name,
        type=model_type,
        capabilities=found,
        context_size=context_size,
        features=(*features, "stream") if model_type == "llm" else features,
        source=source,
        mode=_mode(found) if model_type == "llm" else None,
    )


def _first_known(source: dict[str, str], fact: str, *answers: tuple[str, Any]) -> Any:
    for name, value in answers:
        if value:
            source[fact] = name
            return value
    return None


def _type_of(capabilities: tuple[str, ...]) -> Type | None:
    return next((model_type for name, model_type in TYPE_OF.items() if name in capabilities), None)


def _mode(capabilities: tuple[str, ...]) -> Mode:
    return "chat" if "chat" in capabilities else "completion"


def _shown(shown: Facts | None) -> tuple[str, ...]:
    """Ollama's words: `completion` means any text generation, chat included."""
    told = [_OLLAMA_NAMES.get(name, name) for name in names((shown or {}).get("capabilities"))]
    return tuple(["chat", *told] if "completion" in told else told)


def _configured(config: Facts | None) -> tuple[str, ...]:
    """`known_usecases` of the YAML, written `chat` or `FLAG_CHAT`; `embeddings: true` stands for itself."""
    if not config:
        return ()
    told = [name.lower().removeprefix("flag_") for name in names(config.get("known_usecases"))]
    return tuple(dict.fromkeys([*told, "embeddings"] if config.get("embeddings") else told))
