"""What a provider kind is: its form, its paths, and how to find out what a server of that kind is and can do.

A new kind is a module with one subclass of `Kind`, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from providers.errors import CallerError, ProviderError
from providers.kinds.facts import FoundModel, Identity, ProbeResult, Type
from providers.kinds.forms import CONDITIONS, SCHEMA, settings_schema
from providers.kinds.probes import probe
from providers.kinds.replies import ask, read_lines

if TYPE_CHECKING:
    from providers.upstream.client import UpstreamClient
    from providers.upstream.target import Target

__all__ = ["Field", "FoundModel", "Identity", "Kind", "ProbeResult", "Type"]

Purpose = Literal["inference", "admin"]

REFUSALS: Final = frozenset({"auth_failed", "permission_denied"})

HEARING: Final = frozenset({"audio.transcriptions", "audio.translations"})
OPENAI_PATHS: Final[Mapping[str, str]] = {
    "chat.completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "audio.transcriptions": "/v1/audio/transcriptions",
    "audio.translations": "/v1/audio/translations",
    "audio.speech": "/v1/audio/speech",
    "images.generations": "/v1/images/generations",
    "moderations": "/v1/moderations",
    "responses": "/v1/responses",
}


@dataclass(frozen=True)
class Field:
    """One credential field of the form. `secret` ones are sealed, masked and rotated."""

    name: str
    label: str
    help: str = ""
    secret: bool = True
    required: bool = False
    max_length: int = 8192

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "title": self.label, "minLength": 1, "maxLength": self.max_length}
        hidden = {"writeOnly": True, "format": "password"} if self.secret else {}
        return {**text, **hidden, "description": self.help}


class Kind:
    """A kind of model server. Pure facts and forms here; what goes over the network takes a client and a target."""

    kind: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    model_types: ClassVar[tuple[Type, ...]]
    fields: ClassVar[tuple[Field, ...]]
    docs_url: ClassVar[str]
    placeholder: ClassVar[str]
    base_url_help: ClassVar[str]
    default_max_concurrency: ClassVar[int | None] = None
    counts_streams: ClassVar[bool] = False  # takes `stream_options.include_usage`, where strict servers answer 400
    paths: ClassVar[Mapping[str, str]] = OPENAI_PATHS
    writes_plain_text: ClassVar[bool] = True  # knows OpenAI's `text` as the format of a transcript
    pasted_suffixes: ClassVar[tuple[str, ...]] = ()  # pages of the server's own web interface

    # --- the form ---
    @property
    def credential_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the `credentials` object."""
        return {
            "$schema": SCHEMA,
            "type": "object",
            "properties": {field.name: field.schema() for field in self.fields},
            "required": [field.name for field in self.fields if field.required],
            "additionalProperties": False,
        }

    @property
    def settings_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the `settings` object, defaults included."""
        return settings_schema(self.default_max_concurrency)

    def default_settings(self) -> dict[str, Any]:
        return {name: facts["default"] for name, facts in self.settings_schema["properties"].items()}

    @property
    def ui(self) -> dict[str, Any]:
        """How to lay the form out: order, labels, placeholders, help, conditions; fields by their dotted path."""
        secrets = {f"credentials.{field.name}": field for field in self.fields}
        settings = {f"settings.{name}": facts for name, facts in self.settings_schema["properties"].items()}
        return {
            "order": ["name", "base_url", *secrets, *settings],
            "labels": {
                "name": "Name",
                "base_url": "Server URL",
                **{path: field.label for path, field in secrets.items()},
                **{path: facts["title"] for path, facts in settings.items()},
            },
            "placeholders": {"base_url": self.placeholder},
            "help": {
                "base_url": self.base_url_help,
                **{path: field.help for path, field in secrets.items() if field.help},
                **{path: facts["description"] for path, facts in settings.items()},
            },
            "advanced": list(settings),
            "conditions": CONDITIONS,
        }

    def as_json(self) -> dict[str, Any]:
        """The catalog's entry of this kind."""
        return {
            "kind": self.kind,
            "label": self.label,
            "description": self.description,
            "model_types": list(self.model_types),
            "credential_schema": self.credential_schema,
            "settings_schema": self.settings_schema,
            "ui": self.ui,
            "docs_url": self.docs_url,
        }

    # --- addresses and headers ---
    def normalise_base_url(self, url: str) -> str:
        """Take off what belongs to this kind's own pages; `upstream.egress.check_base_url` has done the rest."""
        for suffix in self.pasted_suffixes:
            url = url.removesuffix(suffix)
        return url

    def auth_headers(self, secrets: Mapping[str, str], purpose: Purpose = "inference") -> dict[str, str]:
        """The headers that carry the key for this purpose; none where no key is stored for it."""
        key = secrets.get("api_key") if purpose == "inference" else None
        return {"Authorization": f"Bearer {key}"} if key else {}

    def path(self, operation: str) -> str:
        """Where an operation lives below the base URL. Raises `operation_not_available`."""
        if operation not in self.paths:
            raise CallerError("operation_not_available", f"{self.label} has no {operation}.")
        return self.paths[operation]

    def fixed_fields(self, operation: str, upstream_name: str, body: Mapping[str, Any]) -> dict[str, str]:
        """What is sent in place of the caller's own fields. Images come inside the answer: their address at the
        server is of no use to callers, who can neither reach it nor have its key."""
        if operation == "images.generations":
            return {"response_format": "b64_json"}
        if operation in HEARING and body.get("response_format") == "text" and not self.writes_plain_text:
            return {"response_format": "json"}  # of which the text is one field
        return {}

    # --- over the network ---
    async def identify(self, client: UpstreamClient, target: Target) -> Identity:
        """Find out whether an API of this kind answers at the target. A refusal of the key is no failure here.

        Raises Malformed with web_page_not_api or path_not_found, or what the client raises.
        """
        try:
            await self.check_auth(client, target)
        except ProviderError as fault:
            if fault.code not in REFUSALS:
                raise
        return Identity()

    async def check_auth(self, client: UpstreamClient, target: Target) -> None:
        """Raises CredentialRejected, or PermissionDenied, where the server refuses the stored key."""
        read_lines(await ask(client, target, "/v1/models"))

    async def list_models(self, client: UpstreamClient, target: Target) -> list[FoundModel]:
        """The server's models in its own order, with all it tells about them."""
        raise NotImplementedError

    def serves(self, found: FoundModel, model_type: str) -> bool:
        """False only where the server says that this model cannot do what the type needs."""
        return found.type is None or found.type == model_type

    async def probe(self, client: UpstreamClient, target: Target, model_type: str, upstream_name: str) -> ProbeResult:
        """One small real call. It may load the model, so it can take as long as the first-token timeout allows.

        Raises the ProviderError that says why the model cannot do what its type promises.
        """
        return await probe(self.path, client, target, model_type, upstream_name)
