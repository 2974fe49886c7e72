"""What holds for one inference call holds for all of them: who may, which model, how much, how long, what is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from providers.invalidation import invalidate
from providers.models import ModelEntry, Provider
from tests.fakes.localai_failures import Failure
from tests.fakes.sound import silent_wav
from tests.providers.gateway.conftest import NO_KEY, Gateway, call, error, held_call
from tests.providers.rows import add_model, add_provider, make_default
from tests.waiting import wait_for

__all__ = ["call"]

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Kind:
    """A path of /v1 with a body that it takes, its model's type, and what that model is at the fake."""

    path: str
    type: str
    sort: str
    body: dict[str, Any]
    is_form: bool = False
    upstream_path: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, gateway: Gateway, *, key: str | None = None, **fields: Any) -> Any:
        body = {"model": self.type, **self.body, **fields}
        file = {"file": ("a.wav", silent_wav(seconds=0.1))}
        with gateway.client(key) as client:
            return client.post(
                f"/v1/{self.path}", **({"data": body, "files": file} if self.is_form else {"json": body})
            )

    def seen(self, gateway: Gateway) -> list[Any]:
        return gateway.fake.requests(self.upstream_path or f"/v1/{self.path}")


CHAT = Kind("chat/completions", "llm", "llm", {"messages": [{"role": "user", "content": "Hi"}]})
KINDS = [
    CHAT,
    Kind("completions", "llm", "llm", {"prompt": "Once"}),
    Kind("embeddings", "text-embedding", "embedding", {"input": "password"}),
    Kind("rerank", "rerank", "rerank", {"query": "a", "documents": ["b"]}),
    Kind("moderations", "moderation", "llm", {"input": "Good morning"}),
    Kind("images/generations", "image", "image", {"prompt": "A lighthouse"}),
    Kind("audio/speech", "tts", "tts", {"input": "Good morning"}),
    Kind("audio/transcriptions", "speech2text", "stt", {}, is_form=True),
    Kind("audio/translations", "speech2text", "stt", {}, is_form=True, upstream_path="/v1/audio/transcriptions"),
]


@pytest.fixture
def served(gateway: Gateway) -> Gateway:
    """acme with a model of each type, called as its type is."""
    for kind in {kind.type: kind for kind in KINDS}.values():
        gateway.fake.add(f"there-{kind.type}", kind.sort)
        add_model(gateway.provider, kind.type, type=kind.type, upstream_name=f"there-{kind.type}")
    return gateway


def told(gateway: Gateway, refused: Callable[[Kind], Any], kinds: list[Kind] = KINDS) -> set[tuple[int, str]]:
    """The refusals of all these calls, none of which reached the model server."""
    found = {error(refused(kind)) for kind in kinds}
    assert gateway.fake.ledger == []
    return found


def test_each_is_answered_counted_and_says_who_served_it(served):
    for kind in KINDS:
        answer = kind.call(served)

        assert answer.status_code == 200, (kind.path, answer.text)
        assert answer.headers["x-provider"] == str(served.provider.pk)
        assert answer.headers["x-queue-ms"] == "0"
        assert kind.seen(served)[-1].key == "upstream-key"
    records = served.metered(len(KINDS))
    assert {record.operation for record in records} == {kind.path.replace("/", ".") for kind in KINDS}
    assert {record.outcome for record in records} == {"succeeded"}


def test_who_may_not_call_is_refused_before_anything_is_read(served, globex):
    narrow = served.team.key_of(served.team.owner, ("models:read",))
    listed = served.team.key_of(served.team.owner, allowed_models=frozenset({"another"}))

    assert told(served, lambda kind: kind.call(served, key=NO_KEY)) == {(401, "invalid_api_key")}
    assert told(served, lambda kind: kind.call(served, key=narrow)) == {(403, "insufficient_scope")}
    assert told(served, lambda kind: kind.call(served, key=listed)) == {(404, "model_not_found")}
    assert told(served, lambda kind: kind.call(served, key=globex.key)) == {(404, "model_not_found")}


def test_a_model_that_is_unknown_a_strangers_off_or_of_another_type_is_refused(served, globex):
    theirs = add_provider(globex, served.fake.url)
    for kind in KINDS:
        ModelEntry.objects.for_tenant(globex.id).get_or_create(
            name=f"their-{kind.type}", defaults={"provider": theirs, "tenant_id": globex.id, "type": kind.type}
        )
        ModelEntry.objects.for_tenant(served.team.id).get_or_create(
            name=f"off-{kind.type}",
            defaults={"provider": served.provider, "tenant_id": served.team.id, "type": kind.type, "enabled": False},
        )

    assert told(served, lambda kind: kind.call(served, model="nobody")) == {(404, "model_not_found")}
    assert told(served, lambda kind: kind.call(served, model=f"their-{kind.type}")) == {(404, "model_not_found")}
    assert told(served, lambda kind: kind.call(served, model=f"off-{kind.type}")) == {(403, "model_disabled")}
    of_another = {"llm": "tts"}
    assert told(served, lambda kind: kind.call(served, model=of_another.get(kind.type, "llm"))) == {
        (400, "model_type_mismatch")
    }


def test_default_is_the_tenants_default_of_the_type(served):
    assert told(served, lambda kind: kind.call(served, model="default")) == {(404, "model_not_found")}

    entries = ModelEntry.objects.for_tenant(served.team.id)
    for model_type in {kind.type for kind in KINDS}:
        make_default(entries.get(name=model_type))
    invalidate(served.team.id)
    for kind in KINDS:
        answer = wait_for(lambda kind=kind: (got := kind.call(served, model="default")).status_code == 200 and got)
        assert answer.status_code == 200, kind.path


def test_a_body_beyond_the_limit_is_413(served, settings):
    settings.GATEWAY_BODY_MAX_BYTES = 2000

    assert told(served, lambda kind: kind.call(served, padding="x" * 2000)) == {(413, "request_too_large")}


def test_a_busy_server_makes_each_wait_and_then_says_so(served, call, settings):
    Provider.objects.for_tenant(served.team.id).update(settings={"max_concurrency": 1})
    settings.GATEWAY_QUEUE_MAX = 0
    served.fake.dial.hang = True
    call()
    held_call(served)
    for kind in KINDS:
        answer = kind.call(served)

        assert error(answer) == (429, "queue_full"), kind.path
        assert int(answer.headers["retry-after"]) >= 1


def test_what_the_server_refuses_is_told_alike_and_without_its_key(served):
    served.fake.dial.fail = Failure(429, "key upstream-key has spent its quota", retry_after="30", before_stream=True)
    for kind in KINDS:
        answer = kind.call(served)

        assert error(answer) == (503, "provider_cooling_down"), kind.path
        assert answer.headers["retry-after"] == "30"
        assert "upstream-key" not in answer.text


def test_the_total_deadline_binds_each(served):
    for type in {kind.type for kind in KINDS}:
        figures = {"total_timeout_seconds": 0.2, "first_token_timeout_seconds": 60}
        add_model(served.provider, f"brief-{type}", type=type, upstream_name=f"there-{type}", settings=figures)

    for kind in KINDS:
        served.fake.dial.hang = False
        assert kind.call(served).status_code == 200  # its connection rests: the deadline cannot fall into the dialling
        served.fake.dial.hang = True
        served.fake.ledger.clear()
        assert error(kind.call(served, model=f"brief-{kind.type}")) == (504, "timeout"), kind.path
        assert wait_for(lambda kind=kind: [call for call in kind.seen(served) if call.aborted_at]), kind.path
