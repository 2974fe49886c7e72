"""What the clients of other people call: a whole web process, and a fake LocalAI with a model of every type."""

from collections.abc import Iterator

import openai
import pytest

from tests.providers.gateway.conftest import Gateway, application, fake, gateway, open_egress, server_url
from tests.providers.rows import add_model

__all__ = ["application", "fake", "gateway", "open_egress", "sdk", "server_url", "with_every_type"]

# name -> its type here, its name there, what it is there
MODELS = {
    "ranker": ("rerank", "bge-reranker", "rerank"),
    "listener": ("speech2text", "whisper-1", "stt"),
    "speaker": ("tts", "kokoro", "tts"),
    "painter": ("image", "stablediffusion", "image"),
    "judge": ("moderation", "llama-guard", "llm"),
}


@pytest.fixture
def with_every_type(gateway: Gateway) -> Gateway:
    """The gateway, where `gpt-4` chats and `ada` embeds, with a model for all else."""
    for name, (model_type, upstream_name, sort) in MODELS.items():
        gateway.fake.add(upstream_name, sort)
        add_model(gateway.provider, name, type=model_type, upstream_name=upstream_name)
    return gateway


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    """The official Python SDK, told nothing but another base URL and key."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.team.key, max_retries=0) as client:
        yield client
