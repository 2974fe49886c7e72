"""Everything that people, programs and operators do, each kind of thing once, and each kind of failure.

Nothing is judged here but that a flow was really driven; the sweep looks afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.security.canary.careless import FORCED
from tests.security.canary.observed import Observed
from tests.security.canary.parrot import MOODS, WELL, Parrot
from tests.security.canary.planted import Plants
from tests.security.operations import operations_of
from tests.security.world import SORTS, TYPES
from tests.waiting import wait_for

CHAT, EMBEDDING = "gpt-3.5-turbo", "text-embedding-ada-002"
WRITTEN = ("messages", "prompt", "input", "query", "documents")
JOB_OPERATIONS = {"embeddings", "rerank", "moderations", "images.generations"}
FOR_ALL_CALLS = ("fails with JSON", "fails with a page", "spells it otherwise")
ENDED = {"succeeded", "failed", "passed", "cancelled", "expired", "dead"}
PATIENT = {"connect_timeout_seconds": 60, "first_token_timeout_seconds": 90, "total_timeout_seconds": 100}
IMPATIENT = {"first_token_timeout_seconds": 2}
LATE = "late"  # the model for which a server that hangs is given up soon
WAIT_SECONDS = 120
EMAIL, NAME = "ops-guest@acme.example", "gpu-box"


@dataclass
class Drive:
    """One stack, one server that repeats things, what is planted, and the owner's client."""

    stack: Observed
    server: Parrot
    plants: Plants
    owner: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)  # no secrets: they are found again where they may be

    def get(self, path: str, **options: Any) -> Any:
        answer = self.owner.get(self.stack.path + path, **options)
        assert answer.status_code < 300, answer.text
        return answer

    def post(self, path: str, body: Any = None, *, expect: int | None = None, **options: Any) -> Any:
        answer = self.owner.post(self.stack.path + path, json=body or {}, **options)
        assert answer.status_code == expect if expect else answer.status_code < 300, answer.text
        return answer

    def ended(self, path: str, state: str | None = None) -> Any:
        """What stands there, once it has come to an end: its events are read until then, where it has any."""
        if "/discoveries/" not in path:
            self.get(f"{path}/events")
        found = wait_for(lambda: (seen := self.get(path).json())["state"] in ENDED and seen, seconds=WAIT_SECONDS)
        assert state in (None, found["state"]), found
        return found


def begin(stack: Observed, server: Parrot, plants: Plants) -> Drive:
    """What all others build on: a provider that works."""
    flow = Drive(stack, server, plants, stack.client(Authorization=f"Bearer {stack.api_key}"))
    server.dial.api_keys = {plants.key.text, plants.admin_key.text, plants.next_key.text, plants.unsaved_key.text}
    for name, sort in SORTS.items():
        server.add(name, sort)
    server.dial.tokens = ("Here is ", plants.answer.text, ".")
    register(flow)
    return flow


def register(flow: Drive) -> None:
    """A provider, sent twice; its validation, discovery, models."""
    plants, once = flow.plants, {"Idempotency-Key": "register-once"}
    secrets = {"api_key": plants.key.text, "admin_api_key": plants.admin_key.text}
    body = {"kind": "localai", "name": NAME, "base_url": flow.server.url, "credentials": secrets, "settings": PATIENT}
    made = flow.post("/providers", body, headers=once)
    assert flow.post("/providers", body, headers=once).headers["idempotent-replayed"] == "true"
    path = f"/providers/{made.json()['id']}"
    run = flow.ended(f"{path}/validations/{made.json()['last_validation']['id']}", "passed")
    wanted = [{"upstream_name": CHAT}, {"upstream_name": CHAT, "name": FORCED}]
    wanted += [{"upstream_name": EMBEDDING, "name": "ada", "type": "text-embedding"}]
    wanted += [{"upstream_name": name, "type": model_type} for name, model_type in TYPES.items()]
    imported = flow.post(f"{path}/model-imports", {"models": wanted}).json()
    assert len(imported["created"]) == len(wanted), imported
    late = {"name": LATE, "upstream_name": CHAT, "type": "llm", "provider": made.json()["id"], "settings": IMPATIENT}
    flow.post("/models", late, expect=201)
    found = flow.post(f"{path}/discoveries").json()
    flow.ended(f"{path}/discoveries/{found['id']}")
    flow.owner.patch(flow.stack.path + path, json={"settings": {"max_concurrency": 2}})
    infer = flow.post(f"{path}/validations", {"level": "infer"}).json()
    flow.ended(f"{path}/validations/{infer['id']}", "passed")
    flow.ids |= {"provider": made.json()["id"], "validation": run["id"]}


def refused_bodies(flow: Drive) -> None:
    """A secret in every wrong place of a request: each answer says what is wrong and not what was sent."""
    key = flow.plants.refused_key.text
    form = {"kind": "localai", "name": "refused", "base_url": "http://192.168.1.100:8080"}
    wrong: list[Any] = [
        {**form, "credentials": {"api_key": [key]}},
        {**form, "credentials": {"api_key": f"•••{key}"}},
        {**form, "credentials": {"api_key": f"{key}\n"}},
        {**form, "credentials": {"api_key": key * 500}},
        {**form, "credentials": {"api_key": {"value": key}}},
        {**form, "credentials": {"token": key}},
        {**form, "credentials": key},
        {**form, "kind": "xinference", "credentials": {"api_key": key, "admin_api_key": key}, "settings": {"a": key}},
        {**form, "kind": key, "credentials": {"api_key": key}},
        {**form, "api_key": key},
        {**form, "base_url": f"http://user:{key}@192.168.1.100", "credentials": {"api_key": key}},
        {**form, "settings": {"extra_headers": {"Authorization": f"Bearer {key}"}}},
        {**form, "settings": {"verify_tls": key, "max_concurrency": key, "idle_timeout_seconds": key}},
        [key],
        key,
    ]
    for path in ("/providers", "/validations"):
        for body in wrong:
            flow.post(path, body, expect=400)
    unreadable = f'{{"credentials": {{"api_key": "{key}'
    flow.owner.post(f"{flow.stack.path}/providers", content=unreadable, headers={"Content-Type": "application/json"})
    flow.post("/jobs", {"model": CHAT, "operation": "chat.completions", "input": {"messages": key}}, expect=400)
    credentials = {"api_key": flow.plants.refused_key.text}
    flow.post("/providers", {**form, "name": FORCED, "credentials": credentials}, expect=500)
    at_the_wrong_door(flow, key)


def at_the_wrong_door(flow: Drive, key: str) -> None:
    """The provider's key sent to us as if it were ours."""
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": f"Basic {key}"}, {"X-Session-Token": key}):
        stranger = flow.stack.client(**headers)
        for path in ("/api/v1/me", "/v1/models", f"{flow.stack.path}/providers"):
            assert stranger.get(path).status_code == 401
    queried = {"api_key": flow.plants.queried_key.text}
    for path in ("/v1/models", "/v1/nothing", "/api/v1/me", f"{flow.stack.path}/jobs", "/admin/", "/nowhere"):
        flow.owner.get(path, params=queried)
    forced = {"kind": "localai", "name": FORCED, "base_url": "http://192.168.1.100:8080"}
    flow.post("/providers", forced, expect=500, params=queried)


def unsaved_forms(flow: Drive) -> None:
    body = {"kind": "localai", "base_url": flow.server.url, "settings": PATIENT, "level": "infer"}
    body["credentials"] = {"api_key": flow.plants.unsaved_key.text}
    for mood in (WELL, *MOODS):
        flow.server.mood = mood
        run = flow.post("/validations", body).json()
        flow.ended(f"/validations/{run['id']}")
    flow.server.mood = WELL


def api_keys(flow: Drive) -> None:
    """Keys of ours, each shown once: made (and asked for twice), rotated, revoked."""
    at, once = rf"answer to POST {flow.stack.path}/api-keys", {"Idempotency-Key": "one-key"}
    body = {"name": "ci", "scopes": ["infer"]}
    made = flow.post("/api-keys", body, headers=once).json()
    flow.plants.hand_out("a key of ours", made["key"], at=f"{at}$")
    assert flow.post("/api-keys", body, headers=once).json()["key"] == made["key"]
    rotated = flow.post(f"/api-keys/{made['id']}/rotate", {"overlap_seconds": 600}).json()
    flow.plants.hand_out("a rotated key of ours", rotated["key"], at=f"{at}/[^/]+/rotate$")
    gone = flow.post("/api-keys", {"name": "gone"}).json()
    flow.plants.hand_out("a revoked key of ours", gone["key"], at=f"{at}$")
    flow.owner.delete(f"{flow.stack.path}/api-keys/{gone['id']}")
    assert flow.stack.client(Authorization=f"Bearer {gone['key']}").get("/v1/models").status_code == 401
    caller = flow.stack.client(Authorization=f"Bearer {made['key']}")
    for path in ("/v1/models", f"/nowhere/{made['key']}", f"/api/v1/tenants/{made['key']}/providers"):
        caller.get(path)
    flow.stack.client(Authorization=f"Bearer {rotated['key']}").get("/v1/models")


@dataclass
class Call:
    """One of `/v1`: `operation` as a job would name it."""

    path: str
    body: dict[str, Any]
    file: Any = None

    @property
    def operation(self) -> str:
        return self.path.removeprefix("/v1/").replace("/", ".")

    def sent_by(self, caller: httpx.Client) -> httpx.Response:
        if self.file is None:
            return caller.post(self.path, json=self.body)
        return caller.post(self.path, data=self.body, files={"file": self.file})


def calls_of(flow: Drive, text: str) -> Iterator[Call]:
    """A right call of every operation of `/v1` in the OpenAPI document, with `text` wherever people write."""
    for operation in operations_of(flow.owner.get("/api/schema/").json()):
        if operation.is_data_plane and operation.takes_a_body:
            sent = operation.sent({})
            body = {**sent.get("json", {}), **sent.get("data", {})}
            written = {name: in_the_shape_of(body[name], text) for name in WRITTEN if name in body}
            yield Call(operation.path, {**body, **written}, sent.get("files", {}).get("file"))


def in_the_shape_of(value: Any, text: str) -> Any:
    if isinstance(value, list):
        return [in_the_shape_of(one, text) for one in value]
    return {**value, "content": text} if isinstance(value, dict) else text


def chat_of(text: str, **changes: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **changes}


def jobs(flow: Drive) -> None:
    prompt, echoed = flow.plants.prompt.text, flow.plants.echoed_prompt.text
    body = {"model": CHAT, "operation": "chat.completions", "input": chat_of(prompt)}
    job = flow.post("/jobs", body, headers={"Idempotency-Key": "one-job"}).json()
    flow.ended(f"/jobs/{job['id']}", "succeeded")
    flow.ids["job"] = job["id"]
    assert flow.plants.answer.text in flow.get(f"/jobs/{job['id']}/events").text
    for call in calls_of(flow, prompt):
        if call.operation in JOB_OPERATIONS:
            other = {"model": call.body.pop("model"), "operation": call.operation, "input": call.body}
            flow.ended(f"/jobs/{flow.post('/jobs', other).json()['id']}", "succeeded")
    crashed = flow.post("/jobs", {**body, "input": chat_of(prompt, user=FORCED)}).json()
    assert flow.ended(f"/jobs/{crashed['id']}")["error"]["code"] == "internal_error"
    once = flow.stack.client(Authorization=f"Bearer {flow.stack.api_key}")  # that connection ends with the failure
    assert once.post(f"{flow.stack.path}/jobs", json={**body, "model": FORCED}).status_code == 500
    flow.server.mood = MOODS[0]
    failed = flow.post("/jobs", {**body, "input": chat_of(echoed)}).json()
    flow.ended(f"/jobs/{failed['id']}", "failed")
    flow.server.mood = WELL
    erased = flow.post("/jobs", body).json()
    flow.ended(f"/jobs/{erased['id']}")
    flow.owner.delete(f"{flow.stack.path}/jobs/{erased['id']}")
    cancelled_and_cut(flow, body)


def cancelled_and_cut(flow: Drive, body: dict[str, Any]) -> None:
    """A job that is cancelled in its stream, and one whose server hangs up each time."""
    flow.server.dial.stall_after_tokens = 2
    stalled = flow.post("/jobs", body).json()
    wait_for(lambda: flow.get(f"/jobs/{stalled['id']}").json()["state"] == "running", seconds=WAIT_SECONDS)
    flow.post(f"/jobs/{stalled['id']}/cancel")
    flow.ended(f"/jobs/{stalled['id']}", "cancelled")
    flow.server.dial.stall_after_tokens = None
    flow.server.dial.reset_after_tokens = 2
    cut = flow.post("/jobs", {**body, "restart": "before_first_token"}).json()
    flow.ended(f"/jobs/{cut['id']}", "failed")
    flow.server.dial.reset_after_tokens = None


def gateway(flow: Drive) -> None:
    """Streams and whole answers, with a server in every mood, hanging, hung up and failed by ourselves."""
    plants, caller = flow.plants, flow.stack.client(Authorization=f"Bearer {flow.stack.api_key}")
    v1 = {"chat/completions": chat_of(plants.prompt.text), "completions": {"prompt": plants.prompt.text}}
    for path, body in v1.items():
        for stream in (False, True):
            answer = caller.post(f"/v1/{path}", json={**body, "model": CHAT, "stream": stream})
            assert plants.answer.text in answer.text, answer.text
    for call in calls_of(flow, plants.prompt.text):
        assert call.sent_by(caller).status_code == 200, call
    others = list(calls_of(flow, plants.echoed_prompt.text))
    for mood in MOODS:
        flow.server.mood = mood
        for stream in (False, True):
            body = chat_of(plants.echoed_prompt.text, model=CHAT, stream=stream)
            answer = caller.post("/v1/chat/completions", json=body)
            assert "error" in answer.text, (mood, answer.text)
        for call in others if mood in FOR_ALL_CALLS else ():
            call.sent_by(caller)
    flow.server.mood = WELL
    assert caller.post("/v1/chat/completions", json=chat_of("x", model=FORCED)).status_code == 500
    caller.post("/v1/chat/completions", content=f'{{"model": "{plants.prompt.text}"'.encode())
    caller.post("/v1/chat/completions", json=chat_of(plants.prompt.text, model=plants.refused_key.text[:8]))
    late_and_cut(flow, caller)


def late_and_cut(flow: Drive, caller: httpx.Client) -> None:
    flow.server.dial.hang = True
    late = caller.post("/v1/chat/completions", json=chat_of(flow.plants.prompt.text, model=LATE, stream=True))
    assert late.status_code == 504, late.text
    flow.server.dial.hang = False
    flow.server.dial.cut_after_tokens = 2
    cut = caller.post("/v1/chat/completions", json=chat_of(flow.plants.prompt.text, model=CHAT, stream=True))
    assert "error" in cut.text
    flow.server.dial.cut_after_tokens = None


def failing_validations(flow: Drive) -> None:
    path = f"/providers/{flow.ids['provider']}"
    for mood in MOODS:
        flow.server.mood = mood
        run = flow.post(f"{path}/validations", {"level": "infer"}).json()
        flow.ended(f"{path}/validations/{run['id']}")
        found = flow.post(f"{path}/discoveries").json()
        flow.ended(f"{path}/discoveries/{found['id']}")
    flow.get(path)
    flow.get(f"{path}/validations")
    flow.server.mood = WELL


def rotations(flow: Drive) -> None:
    """New values that are refused, then some that work; the old ones revoked; the tenants' data keys replaced."""
    provider = f"/providers/{flow.ids['provider']}"
    path = f"{provider}/credentials"
    active = flow.get(path).json()["results"][0]["id"]
    fields = {"api_key": flow.plants.next_key.text, "admin_api_key": None}
    for mood in (MOODS[0], WELL):
        flow.server.mood = mood
        run = flow.post(f"{path}/{active}/rotate", {"fields": fields, "grace_seconds": 600}, expect=202)
        flow.ended(run.headers["Location"].partition(flow.stack.path)[2])
    spare = flow.post(path, {"name": "spare", "fields": {"api_key": flow.plants.key.text}}).json()
    flow.owner.patch(f"{flow.stack.path}{path}/{spare['id']}", json={"fields": {"api_key": flow.plants.next_key.text}})
    flow.post(f"{path}/{spare['id']}/revoke")
    flow.get(path)
    flow.stack.manage("rotate_keys", "--dek")
    flow.post(f"{provider}/validations", {"level": "infer"})


def exports(flow: Drive) -> None:
    for path in ("/audit-events", "/audit-events/export", "/jobs", "/models", "/providers", "/api-keys", "/queue"):
        flow.get(path)
    for path in ("/api/schema/", "/api/docs/", "/metrics", "/readyz", "/api/v1/provider-kinds", "/api/v1/me"):
        assert flow.owner.get(path).status_code == 200, path
