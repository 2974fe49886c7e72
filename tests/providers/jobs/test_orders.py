"""The shape of a submit's body: each wrong field is named, what OpenAI does not know passes."""

from __future__ import annotations

from typing import Any

import pytest

from providers.jobs.orders import read_order
from tenants.problems import Problem
from tests.providers.jobs.client import EMBED, HELLO

CHAT = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"webhook": "x"}, "webhook", "unknown_field"),
        ({"operation": None}, "operation", "required"),
        ({"operation": "chat"}, "operation", "invalid_choice"),
        ({"operation": 7}, "operation", "invalid_choice"),
        ({"input": None}, "input", "required"),
        ({"input": []}, "input", "invalid"),
        ({"input": {**CHAT, "model": "x"}}, "input.model", "unknown_field"),
        ({"input": {**CHAT, "stream": True}}, "input.stream", "unknown_field"),
        ({"input": {**CHAT, "Stream": True}}, "input.Stream", "unknown_field"),
        ({"input": {}}, "input.messages", "required"),
        ({"input": {"messages": []}}, "input.messages", "invalid"),
        ({"input": {"messages": ["hi"]}}, "input.messages.0", "invalid"),
        ({"input": {"messages": [{"content": "hi"}]}}, "input.messages.0.role", "required"),
        ({"input": {"messages": [{"role": "user"}]}}, "input.messages.0.content", "required"),
        ({"input": {"messages": [{"role": "user", "content": [1]}]}}, "input.messages.0.content.0", "invalid"),
        ({"input": {**CHAT, "temperature": "hot"}}, "input.temperature", "invalid"),
        ({"input": {**CHAT, "max_tokens": 0}}, "input.max_tokens", "invalid"),
        ({"input": {**CHAT, "tools": {}}}, "input.tools", "invalid"),
        ({"operation": "embeddings", "input": {"input": {}}}, "input.input", "invalid"),
        ({"operation": "embeddings", "input": {"input": []}}, "input.input", "invalid"),
        ({"operation": "completions", "input": {"prompt": 5}}, "input.prompt", "invalid"),
        ({"priority": "urgent"}, "priority", "invalid_choice"),
        ({"restart": True}, "restart", "invalid_choice"),
        ({"deadline_seconds": 0}, "deadline_seconds", "invalid"),
        ({"deadline_seconds": True}, "deadline_seconds", "invalid"),
        ({"deadline_seconds": 8 * 86_400}, "deadline_seconds", "invalid"),
        ({"metadata": []}, "metadata", "invalid"),
        ({"metadata": {"a": "x" * 9000}}, "metadata", "too_long"),
        ({"model": ""}, "model", "invalid"),
        ({"model": {"name": "x"}}, "model", "invalid"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str, code: str):
    with pytest.raises(Problem) as refused:
        read_order({**HELLO, **changes})

    assert refused.value.status == 400
    assert (field, code) in {(error.field, error.code) for error in refused.value.errors}


@pytest.mark.parametrize(
    "changes",
    [
        {"input": {**CHAT, "grammar": "root ::= x", "backend": "llama-cpp", "top_k": 40}},
        {"input": {**CHAT, "temperature": None, "max_tokens": 5, "stop": ["a", "b"], "seed": -1}},
        {"input": {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]}},
        {"input": {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}},
        {"operation": "completions", "input": {"prompt": [[1, 2], [3]]}},
        {**EMBED, "input": {"input": [1, 2, 3], "encoding_format": "base64"}},
        {"model": None, "priority": None, "metadata": None, "restart": "before_first_token"},
    ],
    ids=str,
)
def test_what_a_model_server_may_know_passes(changes: dict[str, Any]):
    read_order({**HELLO, **changes})


def test_a_job_has_an_hour_and_one_of_a_batch_a_day():
    assert read_order(HELLO).deadline_seconds == 3600
    assert read_order({**HELLO, "priority": "batch"}).deadline_seconds == 86_400
    assert read_order({**HELLO, "priority": "batch", "deadline_seconds": 5}).deadline_seconds == 5
