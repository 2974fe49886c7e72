"""Xinference: models are launched by hand and known by their uid; errors are FastAPI's `{"detail": …}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from providers.errors import Malformed, ProviderError
from providers.kinds.base import OPENAI_PATHS, REFUSALS, Field, FoundModel, Identity, Kind, Type
from providers.kinds.facts import Mode
from providers.kinds.forms import LOCALHOST_WARNING
from providers.kinds.replies import ask, names, positive, read_lines

if TYPE_CHECKING:
    from providers.upstream.client import UpstreamClient
    from providers.upstream.target import Target

_TYPES: Final[Mapping[str, Type]] = {"llm": "llm", "embedding": "text-embedding", "rerank": "rerank", "image": "image"}
_AUDIO: Final[Mapping[str, Type]] = {"audio2text": "speech2text", "text2audio": "tts"}
# Releases before model_ability: the families of their built-in audio models.
_AUDIO_FAMILIES: Final[Mapping[str, Type]] = {
    "whisper": "speech2text",
    "sensevoice": "speech2text",
    "paraformer": "speech2text",
    "funasr": "speech2text",
    "chattts": "tts",
    "cosyvoice": "tts",
    "fishaudio": "tts",
    "f5-tts": "tts",
    "kokoro": "tts",
    "melotts": "tts",
}
_FEATURES: Final = {"tools": "tool-call", "vision": "vision", "reasoning": "reasoning"}


class Xinference(Kind):
    kind = "xinference"
    label = "Xinference"
    description = "A Xorbits Inference cluster. Models are launched there first, and called by their model uid."
    model_types: ClassVar[tuple[Type, ...]] = ("llm", "text-embedding", "rerank", "speech2text", "tts", "image")
    fields = (
        Field("api_key", "API key", "A key or token of the cluster. Leave it empty for a cluster without accounts."),
    )
    docs_url = "https://inference.readthedocs.io/"
    placeholder = "http://192.168.1.100:9997"
    base_url_help = f"The cluster's web address, without /v1. {LOCALHOST_WARNING}"
    paths = {name: path for name, path in OPENAI_PATHS.items() if name not in ("moderations", "responses")}
    pasted_suffixes = ("/ui", "/docs")
    counts_streams = True
    writes_plain_text = False

    async def identify(self, client: UpstreamClient, target: Target) -> Identity:
        """/v1/cluster/auth is open to all and nobody else has it."""
        try:
            told = await ask(client, target, "/v1/cluster/auth")
        except ProviderError as fault:
            if fault.code not in REFUSALS:
                raise
            return Identity("Xinference")
        if not isinstance(told, dict) or "auth" not in told:
            raise Malformed("path_not_found", "This server answers, but not as Xinference does.")
        return Identity("Xinference", await self._version(client, target))

    async def _version(self, client: UpstreamClient, target: Target) -> str | None:
        """Told to admins only once the cluster has accounts."""
        try:
            told = await ask(client, target, "/v1/cluster/version")
        except ProviderError:
            return None
        return str(told["version"]) if isinstance(told, dict) and told.get("version") else None

    async def list_models(self, client: UpstreamClient, target: Target) -> list[FoundModel]:
        """The launched models: what the cluster could launch besides is not listed."""
        lines = read_lines(await ask(client, target, "/v1/models"))
        return [found for line in lines if (found := _found(line))]


def _found(line: dict[str, Any]) -> FoundModel | None:
    uid = line.get("id") or line.get("model_uid")
    if not uid:
        return None
    abilities = names(line.get("model_ability"))
    model_type = _type_of(line, abilities)
    sizes = {"context_size": positive(line.get("context_length")), "dimensions": positive(line.get("dimensions"))}
    known = {"type": model_type, **sizes}
    features = tuple(label for key, label in _FEATURES.items() if key in abilities)
    return FoundModel(
        upstream_name=str(uid),
        type=model_type,
        capabilities=abilities,
        context_size=sizes["context_size"],
        features=(*features, "stream") if model_type == "llm" else features,
        source={fact: "listing" for fact, value in known.items() if value is not None},
        mode=_mode(abilities) if model_type == "llm" else None,
        dimensions=sizes["dimensions"],
    )


def _type_of(line: dict[str, Any], abilities: tuple[str, ...]) -> Type | None:
    sort = str(line.get("model_type") or "").lower()
    if sort != "audio":
        return _TYPES.get(sort)
    for ability, model_type in _AUDIO.items():
        if ability in abilities:
            return model_type
    family = f"{line.get('model_family') or ''} {line.get('model_name') or ''}".lower()
    return next((model_type for name, model_type in _AUDIO_FAMILIES.items() if name in family), None)


def _mode(abilities: tuple[str, ...]) -> Mode:
    return "completion" if "generate" in abilities and "chat" not in abilities else "chat"
