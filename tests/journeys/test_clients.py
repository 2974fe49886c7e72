"""Clients that people have, against real engines: two addresses and keys exchanged, nothing else."""

from __future__ import annotations

import openai
import pytest

from tests.clients.programs import langchain, node_sdk

MODELS = "gpt-3.5-turbo,text-embedding-ada-002"
HELLO = [{"role": "user", "content": "Say hello."}]


def test_the_python_sdk_streams_a_chat_and_embeds_text(stack):
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.api_key, max_retries=0) as sdk:
        stream = sdk.chat.completions.create(
            model="gpt-3.5-turbo", messages=HELLO, max_tokens=40, stream=True, stream_options={"include_usage": True}
        )
        *chunks, count = list(stream)
        vectors = [
            entry.embedding for entry in sdk.embeddings.create(model="text-embedding-ada-002", input=["a", "b"]).data
        ]

    assert len(chunks) > 2
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip()
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert count.usage.completion_tokens > 0
    assert [len(vector) for vector in vectors] == [384, 384]
    assert vectors[0] != vectors[1]


def test_the_node_sdk_does_the_same(stack):
    did = node_sdk(stack.url, stack.api_key, MODELS)("chat", "stream", "completion", "embeddings", "models")

    assert did["chat"]["text"].strip()
    assert did["stream"]["text"].strip()
    assert did["stream"]["finish"] in ("stop", "length")
    assert did["stream"]["tokens"] > 0
    assert isinstance(did["completion"]["text"], str)
    assert did["embeddings"] == [[384, "number"], [384, "number"]]
    assert did["models"]["one"] == "gpt-3.5-turbo"


@pytest.mark.long
def test_langchain_answers_questions_over_documents_as_in_localai_s_example(stack):
    did = langchain(stack.url, stack.api_key)

    assert did["found"] == {"password": ["password", "password"], "holiday": ["holiday", "holiday"]}
    assert all(answer.strip() for answer in did["answers"].values())
    assert did["streamed"].strip()
