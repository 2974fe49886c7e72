"""The models a fake LocalAI can have, each with what its real counterpart would report."""

from __future__ import annotations

from dataclasses import dataclass

CAPABILITIES: dict[str, tuple[str, ...]] = {
    "llm": ("chat", "completion", "tools"),
    "vision": ("chat", "completion", "vision"),
    "embedding": ("embeddings",),
    "rerank": ("rerank",),
    "stt": ("transcript",),
    "tts": ("tts",),
    "image": ("image",),
    "untemplated": (),  # an llm whose YAML has no chat template may list nothing
    "loose_file": (),  # a file without YAML: the three arrays are null
}
MODALITIES: dict[str, tuple[list[str], list[str]]] = {
    "vision": (["text", "image"], ["text"]),
    "stt": (["audio"], ["text"]),
    "tts": (["text"], ["audio"]),
    "image": (["text"], ["image"]),
}


@dataclass
class FakeModel:
    """`sort` is a key of `CAPABILITIES`. `loaded` models answer at once, others after their or the dial's cold load."""

    name: str
    sort: str = "llm"
    backend: str = "llama-cpp"
    context_size: int | None = None
    dimensions: int = 384
    disabled: bool = False
    loaded: bool = False
    cold_load_seconds: float | None = None  # None: the dial's

    @property
    def capabilities(self) -> list[str] | None:
        return None if self.sort == "loose_file" else list(CAPABILITIES[self.sort])

    @property
    def is_embedding(self) -> bool:
        return self.sort == "embedding"

    def entry(self) -> dict[str, object]:
        """Its line in /v1/models/capabilities."""
        inputs, outputs = MODALITIES.get(self.sort, (["text"], ["text"]))
        if self.sort == "loose_file":
            return {"id": self.name, "capabilities": None, "input_modalities": None, "output_modalities": None}
        return {
            "id": self.name,
            "capabilities": self.capabilities,
            "input_modalities": inputs,
            "output_modalities": outputs,
        }

    def show(self) -> dict[str, object]:
        """Ollama's /api/show: `general.architecture` is LocalAI's backend name."""
        names = {"chat": "completion", "embeddings": "embedding"}
        kept = {"completion", "embedding", "vision", "tools", "thinking", "insert"}
        shown = [names.get(capability, capability) for capability in self.capabilities or []]
        facts: dict[str, object] = {"general.architecture": self.backend}
        if self.context_size:
            facts["general.context_length"] = self.context_size
        return {"capabilities": sorted({name for name in shown if name in kept}), "model_info": facts}

    def config(self) -> dict[str, object]:
        """The admin's config-json."""
        return {
            "name": self.name,
            "backend": self.backend,
            "context_size": self.context_size,
            "embeddings": self.is_embedding,
            "known_usecases": self.capabilities,
            "disabled": self.disabled,
            "parameters": {"model": f"{self.name}.gguf"},
        }


def seed_models() -> dict[str, FakeModel]:
    """The two models every LocalAI quick start ends with, under their OpenAI names."""
    pair = FakeModel("gpt-3.5-turbo"), FakeModel("text-embedding-ada-002", "embedding", "bert-embeddings")
    return {model.name: model for model in pair}
