"""The calls of Dify's plugin for OpenAI-compatible servers (models/openai_api_compatible), in plain HTTP.

Its form takes an `endpoint_url` with `/v1` at its end; every path is joined to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx

PING_TOKENS = 5
READ_SECONDS = 300.0


@dataclass(frozen=True)
class Dify:
    endpoint_url: str
    api_key: str

    def validate_llm(self, model: str, *, mode: str = "chat") -> None:
        """What saving the form does: one ping, whose `object` must be the right one."""
        path, asked, named = {
            "chat": ("chat/completions", {"messages": [{"role": "user", "content": "ping"}]}, "chat.completion"),
            "completion": ("completions", {"prompt": "ping"}, "text_completion"),
        }[mode]
        answer = self._post(path, {"model": model, "max_tokens": PING_TOKENS, **asked})
        assert answer.status_code == 200, f"Credentials validation failed with status code {answer.status_code}"
        assert answer.json().get("object") in ("", named)

    def stream(self, model: str, messages: list[dict[str, Any]], **parameters: Any) -> tuple[str, dict[str, Any]]:
        """An app's answer: its text, and the count that came with the last chunk."""
        body = {
            "model": model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": messages,
            "user": "abc-123",
            **parameters,
        }
        text, usage = "", {}
        for chunk in self._chunks("chat/completions", body):
            usage = chunk.get("usage") or usage
            if chunk["choices"]:
                text += chunk["choices"][0]["delta"].get("content") or ""
        return text, usage

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        answer = self._post("embeddings", {"model": model, "input": texts, "encoding_format": "float"})
        return [entry["embedding"] for entry in answer.raise_for_status().json()["data"]]

    def rerank(self, model: str, query: str, documents: list[str]) -> list[tuple[int, float]]:
        body = {"model": model, "query": query, "documents": documents, "top_n": len(documents)}
        results = self._post("rerank", body).raise_for_status().json()["results"]
        return [(result["index"], result["relevance_score"]) for result in results]

    def transcribe(self, model: str, sound: bytes) -> str:
        with self._client() as client:
            path = urljoin(self.endpoint_url, "audio/transcriptions")
            answer = client.post(path, data={"model": model}, files={"file": ("sound.wav", sound)})
        return str(answer.raise_for_status().json()["text"])

    def speak(self, model: str, text: str) -> bytes:
        return self._post("audio/speech", {"model": model, "input": text, "voice": "alloy"}).raise_for_status().content

    def _chunks(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Splits at blank lines, as its `stream_mode_delimiter` says, and leaves comments out."""
        with self._client() as client, client.stream("POST", urljoin(self.endpoint_url, path), json=body) as answer:
            assert answer.status_code == 200, answer.read()
            for event in answer.read().decode("utf-8").split("\n\n"):
                data = event.strip().removeprefix("data:").strip()
                if data and not data.startswith(":") and data != "[DONE]":
                    yield json.loads(data)

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        with self._client() as client:
            return client.post(urljoin(self.endpoint_url, path), json=body)

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.api_key}", "Accept-Charset": "utf-8"}
        return httpx.Client(headers=headers, timeout=httpx.Timeout(READ_SECONDS, connect=10), trust_env=False)
