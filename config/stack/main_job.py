"""The main job, through the public API: register, validate, import, chat, embed; each step shown as it happens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from config.stack.api import Api
from config.stack.show import Show

PROVIDER_NAME = "localai"
QUESTION = "Explain in two sentences why the sky is blue."
PASSWORD, LOGIN, WEATHER = "I forgot my password", "I cannot log in to my account", "It will rain tomorrow"
DIMENSIONS = 384
PREFERRED = {"llm": "gpt-3.5-turbo", "text-embedding": "text-embedding-ada-002"}


class JobFailed(Exception):
    """The main job did not go well; the message says where and what to do."""


@dataclass(frozen=True)
class ModelServer:
    url: str
    key: str | None

    def form(self) -> dict[str, Any]:
        return {"base_url": self.url, "credentials": {"api_key": self.key}} if self.key else {"base_url": self.url}


async def main_job(api: Api, server: ModelServer, show: Show) -> str:
    """Do it all; gives the chat model's name. Raises JobFailed."""
    provider, run_id = await _register(api, server, show)
    await _validate(api, provider, run_id, show)
    models = await _import_models(api, provider, show)
    await _chat(api, _choose(models, "llm"), show)
    await _embed(api, _choose(models, "text-embedding"), show)
    return _choose(models, "llm")


async def _register(api: Api, server: ModelServer, show: Show) -> tuple[str, str]:
    """The provider and its validation run. What an earlier start registered is brought up to date."""
    show.head(f"Register LocalAI at {server.url}")
    known = await api.get("/providers?limit=200")
    provider = next((row for row in known["results"] if row["name"] == PROVIDER_NAME), None)
    if provider is None:
        body = {"kind": "localai", "name": PROVIDER_NAME, **server.form()}
        provider = await api.post("/providers", body)
        show.done("provider created", _sealed(provider))
        return provider["id"], provider["last_validation"]["id"]
    provider = await api.patch(f"/providers/{provider['id']}", server.form())
    show.done("provider known from before, brought up to date", _sealed(provider))
    run = await api.post(f"/providers/{provider['id']}/validations", {})
    return provider["id"], run["id"]


def _sealed(provider: dict[str, Any]) -> str:
    key = provider["credentials"].get("api_key") or {}
    return (
        f"key sealed, shown as …{key['last4']}"
        if key.get("last4")
        else "no key"
        if not key.get("set")
        else "key sealed"
    )


async def _validate(api: Api, provider: str, run_id: str, show: Show) -> None:
    show.head("A worker validates it, step by step")
    with show.busy("waiting for the worker"):
        async for name, data in api.events(f"/providers/{provider}/validations/{run_id}/events"):
            if name == "step":
                tell, code = (show.done, "") if data["ok"] else (show.failed, f"{data['code']}, ")
                tell(data["step"], f"{code}{data['elapsed_ms']} ms")
            elif name == "done":
                _require_passed(data)
                return
    raise JobFailed("The validation's events ended without a result.")


def _require_passed(run: dict[str, Any]) -> None:
    if run["state"] != "passed":
        diagnosis = run.get("diagnosis") or {}
        raise JobFailed(" ".join(filter(None, [diagnosis.get("message"), diagnosis.get("remedy")])) or run["state"])


async def _import_models(api: Api, provider: str, show: Show) -> list[dict[str, Any]]:
    show.head("Import what it serves")
    imported = await api.post(f"/providers/{provider}/model-imports", {"all": True})
    listed = await api.get("/models?limit=200")
    models = [model for model in listed["results"] if model["provider"] == provider and model["enabled"]]
    for model in models:
        is_new = any(created.get("name") == model["name"] for created in imported["created"])
        show.done(f"{model['name']} ({model['type']})", "imported" if is_new else "known from before")
    return models


def _choose(models: list[dict[str, Any]], type_: str) -> str:
    names = [str(model["name"]) for model in models if model["type"] == type_]
    if not names:
        raise JobFailed(f"The server offers no model of type {type_}. Add one there, then start again.")
    return PREFERRED[type_] if PREFERRED[type_] in names else names[0]


async def _chat(api: Api, model: str, show: Show) -> None:
    show.head(f"Ask {model}: {QUESTION}")
    messages = [{"role": "user", "content": QUESTION}]
    body = {"messages": messages, "max_tokens": 120, "temperature": 0}
    job = await api.post("/jobs", {"model": model, "operation": "chat.completions", "input": body})
    async for name, data in api.events(f"/jobs/{job['id']}/events"):
        if name == "delta":
            show.token(_text_of(data))
        elif name == "restart":
            show.line("(the worker was lost; starting over)")
        elif name == "done":
            _require_answer(data, show)
            return
    raise JobFailed("The job's events ended without a result.")


def _text_of(chunk: dict[str, Any]) -> str:
    return "".join((choice.get("delta") or {}).get("content") or "" for choice in chunk.get("choices") or [])


def _require_answer(job: dict[str, Any], show: Show) -> None:
    if job["state"] != "succeeded":
        error = job.get("error") or {}
        raise JobFailed(
            " ".join(filter(None, [error.get("message"), error.get("remedy")])) or f"The job {job['state']}."
        )
    choice = job["result"]["choices"][0]
    if not (choice["message"]["content"] or "").strip() or not choice.get("finish_reason"):
        raise JobFailed("The answer is empty or was not finished.")
    tokens = (job.get("usage") or {}).get("completion_tokens")
    show.done(f"job {job['state']}", f"finish_reason {choice['finish_reason']}, {tokens} tokens")


async def _embed(api: Api, model: str, show: Show) -> None:
    show.head(f"Compare three sentences by {model}")
    answer = await api.post("/v1/embeddings", {"model": model, "input": [PASSWORD, LOGIN, WEATHER]})
    vectors = [line["embedding"] for line in sorted(answer["data"], key=lambda line: line["index"])]
    if len(vectors) != 3 or any(not _is_whole(vector) for vector in vectors):
        lengths = ", ".join(str(len(vector)) for vector in vectors)
        raise JobFailed(f"The embeddings are not three vectors of {DIMENSIONS} finite numbers, but of: {lengths}.")
    alike, unlike = cosine(vectors[0], vectors[1]), cosine(vectors[0], vectors[2])
    if alike <= unlike:
        raise JobFailed(
            f"The similarities make no sense: {alike:.2f} for like sentences, {unlike:.2f} for unlike ones."
        )
    show.done(f"{len(vectors[0])} dimensions")
    show.done(f"“{PASSWORD}” and “{LOGIN}”: {alike:.2f}")
    show.done(f"“{PASSWORD}” and “{WEATHER}”: {unlike:.2f}")


def _is_whole(vector: list[float]) -> bool:
    return len(vector) == DIMENSIONS and all(math.isfinite(number) for number in vector)


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
