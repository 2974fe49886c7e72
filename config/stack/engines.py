"""Real llama.cpp engines, each behind its own HTTP server on loopback, which only this process has the key for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.stack.demo_models import WAY_ON, DemoUnavailable, chat_model, embedding_model

THREADS = 1  # with more than one, OpenMP's barriers on a busy two-core machine cost more than they bring
CHAT_SLOTS = 4
CHAT_CONTEXT = 2048  # tokens of one slot
EMBEDDING_CONTEXT = 512


@dataclass(frozen=True)
class Engine:
    """One model in memory. The HTTP server lives as long as `server` does."""

    name: str
    is_embedding: bool
    address: str
    server: Any


def require() -> None:
    """Raises DemoUnavailable where this platform has no engine."""
    if find_spec("xllamacpp") is None:
        raise DemoUnavailable(f"There is no llama.cpp engine (xllamacpp) for this platform. {WAY_ON}")


def version() -> str:
    return f"modelyard-demo (llama.cpp, xllamacpp {metadata.version('xllamacpp')})"


def start_chat(key: str) -> Engine:
    return _start("gpt-3.5-turbo", chat_model(), key, context=CHAT_CONTEXT, slots=CHAT_SLOTS)


def start_embedding(key: str, directory: Path) -> Engine:
    model = embedding_model(directory)
    return _start("text-embedding-ada-002", model, key, context=EMBEDDING_CONTEXT, slots=1, is_embedding=True)


def new_key() -> str:
    return secrets.token_urlsafe(32)


def _start(name: str, model: Path, key: str, *, context: int, slots: int, is_embedding: bool = False) -> Engine:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {name}
    params.n_ctx, params.n_parallel = context * slots, slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    params.ui, params.offline, params.use_jinja = False, True, True
    params.kv_unified = False  # else one long request takes the room of all others
    if is_embedding:
        params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_batch = params.n_ubatch = context
    server = xllamacpp.Server(params)
    return Engine(name, is_embedding, server.listening_address, server)
