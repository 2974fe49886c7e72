"""Model entries: what callers may name as `model`, of seven types, with defaults."""

import pytest
from django.utils import timezone

from providers.models import Discovery, Job, ModelEntry
from tests.providers.control.conftest import add_model, faults, register

TYPES = ["llm", "text-embedding", "rerank", "speech2text", "tts", "image", "moderation"]


@pytest.fixture
def provider(acme):
    return register(acme)


@pytest.mark.parametrize("type", TYPES)
def test_an_entry_of_each_type_can_be_made_and_tells_its_parameters(acme, provider, type):
    made = add_model(acme, provider, f"my/{type}:latest", type)

    assert (made["type"], made["upstream_name"], made["enabled"]) == (type, made["name"], True)
    assert made["health"] == {"state": "unknown", "code": None, "p50_ms": None, "checked_at": None}
    assert made["capability_source"]["type"] == "declared"
    rules = acme.client.get(f"{acme.path}/models/{made['id']}/parameter-rules").json()
    assert bool(rules) is (type != "moderation")


@pytest.mark.parametrize("name", ["gpt-3.5-turbo", "org/model:7b@q4_0", "a+b.c", "模型", "x" * 255])
def test_a_name_callers_may_send_is_taken(acme, provider, name):
    assert add_model(acme, provider, name)["name"] == name


@pytest.mark.parametrize("name", ["two words", "", "tab\there", "x" * 256, "default", " padded", "line\u2028end"])
def test_a_name_callers_could_not_send_is_refused(acme, provider, name):
    body = {"name": name, "type": "llm", "provider": provider["id"]}
    response = acme.client.post(f"{acme.path}/models", body)
    assert (response.status_code, list(faults(response))) == (400, ["name"])


def test_an_entrys_own_parameters_are_held_to_the_rules_and_others_pass(acme, provider):
    body = {"name": "m", "type": "llm", "provider": provider["id"], "max_output_tokens": 512}
    wrong = {"temperature": 3, "max_tokens": 513, "stop": [1], "stream": True, "grammar": "root ::= x"}

    response = acme.client.post(f"{acme.path}/models", {**body, "parameters": wrong})

    assert response.status_code == 400
    assert faults(response) == {
        "parameters.temperature": "max_value",
        "parameters.max_tokens": "max_value",
        "parameters.stop": "invalid_type",
        "parameters.stream": "reserved",
    }
    made = acme.client.post(f"{acme.path}/models", {**body, "parameters": {"temperature": 0.2, "grammar": "x"}}).json()
    rules = acme.client.get(f"{acme.path}/models/{made['id']}/parameter-rules").json()
    shown = {rule["name"]: (rule["default"], rule["maximum"]) for rule in rules}
    assert shown["temperature"] == (0.2, 2)
    assert shown["max_tokens"] == (None, 512)


def test_what_only_another_type_has_is_refused(acme, provider):
    body = {"name": "m", "type": "rerank", "provider": provider["id"], "mode": "chat", "dimensions": 384}
    assert faults(acme.client.post(f"{acme.path}/models", body)) == {"mode": "invalid", "dimensions": "invalid"}


def test_an_unknown_provider_and_anothers_are_refused_alike(acme, globex, provider):
    theirs = register(globex)
    for id in (theirs["id"], "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234", "nonsense"):
        response = acme.client.post(f"{acme.path}/models", {"name": "m", "type": "llm", "provider": id})
        assert (response.status_code, faults(response)) == (400, {"provider": "does_not_exist"})


def test_a_model_that_is_not_there_is_said_before_a_provider_that_is_not(acme, globex, provider):
    theirs = add_model(globex, register(globex), "llama")

    response = acme.client.patch(f"{acme.path}/models/{theirs['id']}", {"provider": theirs["provider"]})

    assert response.status_code == 404


def test_names_are_unique_per_tenant(acme, globex, provider):
    add_model(acme, provider, "gpt-3.5-turbo")
    body = {"name": "gpt-3.5-turbo", "type": "llm", "provider": provider["id"]}
    assert acme.client.post(f"{acme.path}/models", body).json()["code"] == "name_taken"
    add_model(globex, register(globex), "gpt-3.5-turbo")


def test_a_change_says_what_was_declared_and_moves_the_etag(acme, provider):
    made = add_model(acme, provider, "m")
    path = f"{acme.path}/models/{made['id']}"
    etag = acme.client.get(path)["ETag"]

    changed = acme.client.patch(path, {"context_size": 8192, "features": ["vision"]}, headers={"If-Match": etag})

    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert changed.json()["context_size"] == 8192
    assert changed.json()["capability_source"]["context_size"] == "declared"
    assert acme.client.patch(path, {"enabled": False}, headers={"If-Match": etag}).status_code == 412


def test_a_model_has_deadlines_of_its_own_where_they_are_set(acme, provider):
    none = dict.fromkeys(f"{name}_timeout_seconds" for name in ("connect", "first_token", "idle", "total"))
    made = add_model(acme, provider, "m", settings={"first_token_timeout_seconds": 900, "idle_timeout_seconds": 90})
    path = f"{acme.path}/models/{made['id']}"
    assert made["settings"] == {**none, "first_token_timeout_seconds": 900, "idle_timeout_seconds": 90}

    changed = acme.client.patch(path, {"settings": {"idle_timeout_seconds": None, "total_timeout_seconds": 5}}).json()

    assert changed["settings"] == {**none, "first_token_timeout_seconds": 900, "total_timeout_seconds": 5}
    wrong = {"connect_timeout_seconds": 0, "total_timeout_seconds": "long", "max_concurrency": 4}
    assert faults(acme.client.patch(path, {"settings": wrong})) == {
        "settings.connect_timeout_seconds": "min_value",
        "settings.total_timeout_seconds": "invalid_type",
        "settings.max_concurrency": "unknown_field",
    }
    assert acme.client.get(path).json() == changed


def test_a_changed_type_takes_its_own_properties(acme, provider):
    made = add_model(acme, provider, "m", "text-embedding", dimensions=384)
    changed = acme.client.patch(f"{acme.path}/models/{made['id']}", {"type": "llm"}).json()
    assert (changed["type"], changed["mode"], changed["dimensions"]) == ("llm", "chat", None)


def test_a_model_is_switched_off_and_on(acme, provider):
    made = add_model(acme, provider, "m")
    assert acme.client.post(f"{acme.path}/models/{made['id']}/disable").json()["enabled"] is False
    assert acme.client.get(f"{acme.path}/providers").json()["results"][0]["model_counts"] == {"enabled": 0, "total": 1}
    assert acme.client.post(f"{acme.path}/models/{made['id']}/enable").json()["enabled"] is True


def test_models_are_filtered_and_ordered(acme, provider):
    other = register(acme, name="second")
    add_model(acme, provider, "b")
    add_model(acme, provider, "a", "text-embedding")
    add_model(acme, other, "c", enabled=False)

    def names(query):
        return [row["name"] for row in acme.client.get(f"{acme.path}/models?{query}").json()["results"]]

    assert names("ordering=name") == ["a", "b", "c"]
    assert names("type=llm,rerank&ordering=name") == ["b", "c"]
    assert names(f"provider={other['id']}") == ["c"]
    assert names("enabled=true&ordering=-name") == ["b", "a"]
    assert names("search=B") == ["b"]


# --- Defaults ---


def test_defaults_are_set_together_and_reading_chooses_none(acme, provider):
    llm = add_model(acme, provider, "chatty")
    embedder = add_model(acme, provider, "vectors", "text-embedding")
    path = f"{acme.path}/default-models"
    assert acme.client.get(path).json() == dict.fromkeys(TYPES)

    chosen = acme.client.patch(path, {"llm": llm["id"], "text-embedding": embedder["id"]}).json()

    assert (chosen["llm"], chosen["text-embedding"], chosen["rerank"]) == (llm["id"], embedder["id"], None)
    assert acme.client.patch(path, {"llm": None}).json() == {**chosen, "llm": None}


def test_one_wrong_default_sets_none(acme, globex, provider):
    llm = add_model(acme, provider, "chatty")
    theirs = add_model(globex, register(globex), "theirs", "rerank")
    path = f"{acme.path}/default-models"

    response = acme.client.patch(path, {"llm": llm["id"], "tts": llm["id"], "rerank": theirs["id"]})

    assert response.status_code == 400
    assert faults(response) == {"tts": "model_type_mismatch", "rerank": "does_not_exist"}
    assert acme.client.get(path).json() == dict.fromkeys(TYPES)


def test_a_default_keeps_its_type_and_is_not_deleted_without_cascade(acme, provider):
    llm = add_model(acme, provider, "chatty")
    path = f"{acme.path}/models/{llm['id']}"
    acme.client.patch(f"{acme.path}/default-models", {"llm": llm["id"]})

    retyped = acme.client.patch(path, {"type": "rerank"})
    looked = acme.client.delete(f"{path}?dry_run=true").json()
    refused = acme.client.delete(path)

    assert (retyped.status_code, retyped.json()["code"]) == (409, "in_use")
    assert looked == {"impact": {"default_models": ["llm"], "running_jobs": 0, "queued_jobs": 0}}
    assert (refused.status_code, refused.json()["impact"]) == (409, looked["impact"])
    assert acme.client.delete(f"{path}?cascade=true").status_code == 204
    assert acme.client.get(f"{acme.path}/default-models").json()["llm"] is None


def test_jobs_that_wait_for_a_model_are_cancelled_with_it(acme, provider):
    made = add_model(acme, provider, "m")
    entry = ModelEntry.objects.for_tenant(acme.id).get()
    facts = {"operation": "chat.completions", "endpoint": "x", "deadline_at": entry.created_at, "model_name": "m"}
    job = Job(tenant_id=acme.id, provider=entry.provider, model_entry=entry, **facts)
    job.save()
    path = f"{acme.path}/models/{made['id']}"

    assert acme.client.delete(path).json()["impact"]["queued_jobs"] == 1
    assert acme.client.delete(f"{path}?cascade=true").status_code == 204

    job.refresh_from_db()
    assert (job.state, job.model_entry_id) == ("cancelled", None)


# --- Imports ---


@pytest.fixture
def listed(acme, provider):
    found = [
        {"upstream_name": "gpt-3.5-turbo", "type": "llm", "context_size": 4096, "features": ["tool-call", "vision"]},
        {"upstream_name": "text-embedding-ada-002", "type": "text-embedding", "context_size": None, "features": []},
        {"upstream_name": "loose file.gguf", "type": None, "context_size": None, "features": []},
    ]
    facts = {"provider_id": provider["id"], "state": "succeeded", "found": found}
    Discovery(tenant_id=acme.id, finished_at=timezone.now(), **facts).save()
    return f"{acme.path}/providers/{provider['id']}/model-imports"


def test_a_dry_run_tells_what_would_be_imported_and_saves_nothing(acme, listed):
    done = acme.client.post(listed, {"all": True, "dry_run": True})

    assert done.status_code == 200
    assert done.json()["dry_run"] is True
    assert [(row["id"], row["name"]) for row in done.json()["created"]] == [
        (None, "gpt-3.5-turbo"),
        (None, "text-embedding-ada-002"),
    ]
    assert done.json()["skipped"] == [{"upstream_name": "loose file.gguf", "code": "type_unknown"}]
    assert not ModelEntry.objects.for_tenant(acme.id).exists()


def test_all_that_was_found_is_imported_once(acme, listed):
    first = acme.client.post(listed, {"all": True}).json()
    again = acme.client.post(listed, {"all": True}).json()

    assert [row["name"] for row in first["created"]] == ["gpt-3.5-turbo", "text-embedding-ada-002"]
    assert again["created"] == []
    assert [row["code"] for row in again["skipped"]] == ["already_imported", "already_imported", "type_unknown"]
    model = acme.client.get(f"{acme.path}/models/{first['created'][0]['id']}").json()
    assert (model["context_size"], model["features"], model["mode"]) == (4096, ["tool-call", "vision"], "chat")
    assert model["capability_source"]["type"] == "probed"


def test_each_model_that_cannot_be_imported_says_why(acme, provider, listed):
    add_model(acme, provider, "taken")
    wanted = [
        {"upstream_name": "never-listed"},
        {"upstream_name": "gpt-3.5-turbo", "name": "taken"},
        {"upstream_name": "loose file.gguf"},
        {"upstream_name": "loose file.gguf", "type": "llm"},
        {"upstream_name": "loose file.gguf", "type": "llm", "name": "loose"},
    ]

    done = acme.client.post(listed, {"models": wanted}).json()

    assert [row["code"] for row in done["skipped"]] == [
        "model_not_found",
        "name_taken",
        "type_unknown",
        "name_invalid",
    ]
    assert [(row["name"], row["upstream_name"]) for row in done["created"]] == [("loose", "loose file.gguf")]


@pytest.mark.parametrize("body", [{}, {"all": True, "models": [{"upstream_name": "x"}]}, {"all": False}])
def test_an_import_names_models_or_all(acme, listed, body):
    assert acme.client.post(listed, body).status_code == 400


def test_before_any_listing_there_is_nothing_to_import(acme, provider):
    response = acme.client.post(f"{acme.path}/providers/{provider['id']}/model-imports", {"all": True})
    assert (response.status_code, response.json()["code"]) == (409, "discovery_missing")
    empty = acme.client.get(f"{acme.path}/providers/{provider['id']}/discovered-models").json()
    assert (empty["discovered_at"], empty["models"]) == (None, [])
