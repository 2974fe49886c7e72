"""LocalAI, from v1.24 to today. It names itself without a key since v3; before, /version is the only mark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from providers.errors import ProviderError
from providers.kinds.base import OPENAI_PATHS, REFUSALS, Field, FoundModel, Identity, Kind, Purpose, Type
from providers.kinds.forms import LOCALHOST_WARNING
from providers.kinds.localai_models import CAPABILITIES_FOR, describe_models
from providers.kinds.replies import ask, read_lines

if TYPE_CHECKING:
    from providers.upstream.client import UpstreamClient
    from providers.upstream.target import Target

MARK: Final = "/.well-known/localai.json"  # open to all, absent in old versions


class LocalAI(Kind):
    kind = "localai"
    label = "LocalAI"
    description = "A LocalAI server: language, embedding, rerank, speech and image models on your own hardware."
    model_types: ClassVar[tuple[Type, ...]] = (
        "llm",
        "text-embedding",
        "rerank",
        "speech2text",
        "tts",
        "image",
        "moderation",
    )
    fields = (
        Field(
            "api_key",
            "API key",
            "One of the server's keys (LOCALAI_API_KEY, or API_KEY). Leave it empty for a server without keys.",
        ),
        Field(
            "admin_api_key",
            "Admin API key",
            "Only where the API key belongs to a user without admin rights: used to read model configurations and "
            "to warm models up, never for inference.",
        ),
    )
    docs_url = "https://localai.io/"
    placeholder = "http://192.168.1.100:8080"
    base_url_help = f"The server's root, without /v1. {LOCALHOST_WARNING}"
    default_max_concurrency = 4
    counts_streams = True
    writes_plain_text = False  # its word is `txt`
    paths = {**OPENAI_PATHS, "audio.translations": OPENAI_PATHS["audio.transcriptions"]}
    pasted_suffixes = ("/swagger/index.html", "/swagger", "/browse", "/app")

    def auth_headers(self, secrets: Mapping[str, str], purpose: Purpose = "inference") -> dict[str, str]:
        """Without an admin key, the API key serves: LocalAI's plain keys have all rights."""
        key = secrets.get("api_key")
        if purpose == "admin":
            key = secrets.get("admin_api_key") or key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def fixed_fields(self, operation: str, upstream_name: str, body: Mapping[str, Any]) -> dict[str, str]:
        """Translating is transcribing with a flag here."""
        fields = super().fixed_fields(operation, upstream_name, body)
        if operation == "audio.translations":
            fields["translate"] = "true"
        return fields

    async def identify(self, client: UpstreamClient, target: Target) -> Identity:
        for path in (MARK, "/version"):
            try:
                return _identity(await ask(client, target, path))
            except ProviderError as fault:
                if fault.code in REFUSALS:
                    return Identity()  # something that wants a key; the next step looks at that
                if fault.code != "path_not_found":
                    raise
        return await super().identify(client, target)  # a proxy may let only /v1 through

    async def check_auth(self, client: UpstreamClient, target: Target) -> None:
        """The admin key is checked too, where it is one of its own and this release has a use for it."""
        await super().check_auth(client, target)
        if target.admin_headers is None or target.admin_headers.items() <= target.headers.items():
            return
        try:
            await ask(client, target, "/system", headers=target.admin_headers)
        except ProviderError as fault:
            if fault.code in REFUSALS:
                fault.evidence["key"] = "admin_api_key"
                raise
            if fault.code != "path_not_found":
                raise

    async def list_models(self, client: UpstreamClient, target: Target) -> list[FoundModel]:
        """Names from /v1/models; the rest from whatever this version and this key let us read."""
        lines = read_lines(await ask(client, target, "/v1/models"))
        names = list(dict.fromkeys(str(line["id"]) for line in lines if line.get("id")))
        return await describe_models(client, target, names)

    def serves(self, found: FoundModel, model_type: str) -> bool:
        return not found.capabilities or not CAPABILITIES_FOR[model_type].isdisjoint(found.capabilities)


def _identity(told: object) -> Identity:
    """`v4.9.0 (82c191afa)` is LocalAI's own; a version that begins with a product's name names that product."""
    text = str(told.get("version") or "").strip() if isinstance(told, dict) else ""
    head, _, rest = text.partition(" ")
    if not text or head.lstrip("v")[:1].isdigit():
        return Identity("LocalAI", head or None)
    return Identity(head, rest.strip(" ()") or None)
