"""Journey (b): a worker takes the steps against a live server, and the provider's state follows from what it found."""

import pytest

from providers import worker_loop
from providers.models import Discovery, Provider, ValidationRun
from providers.validation import claims, worker
from providers.validation.runs import cancel_run, sweep
from tenants.actors import SYSTEM
from tests.providers.control.conftest import KEY, add_model, register
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SEED = [("gpt-3.5-turbo", "llm"), ("text-embedding-ada-002", "text-embedding")]


def last_run(team, provider):
    return team.client.get(f"{team.path}/providers/{provider['id']}/validations").json()["results"][0]


def fresh(team, provider):
    return team.client.get(f"{team.path}/providers/{provider['id']}").json()


def test_a_provider_whose_models_can_be_listed_is_healthy(acme, fake, work):
    fake.dial.api_keys = {KEY}
    provider = register(acme, fake.url, credentials={"api_key": KEY})

    work()

    run = last_run(acme, provider)
    assert (run["state"], run["level"], run["diagnosis"]) == ("passed", "models", None)
    assert [step["step"] for step in run["steps"]] == ["policy", "connect", "identify", "auth", "models"]
    assert all(step["ok"] and step["code"] == "ok" for step in run["steps"])
    now = fresh(acme, provider)
    assert (now["state"], now["state_reason"]) == ("healthy", None)
    assert now["server"] == {"product": "LocalAI", "version": "v4.9.0"}
    assert now["last_validation"]["state"] == "passed"


def test_the_seeds_two_models_are_listed_imported_and_answer(acme, fake, work):
    provider = register(acme, fake.url)
    work()

    listed = acme.client.get(f"{acme.path}/providers/{provider['id']}/discovered-models").json()
    types = {model["upstream_name"]: model["type"] for model in listed["models"]}
    assert {name: types[name] for name, _ in SEED} == dict(SEED)
    wanted = [{"upstream_name": name} for name, _ in SEED]
    done = acme.client.post(f"{acme.path}/providers/{provider['id']}/model-imports", {"models": wanted}).json()
    assert [(made["name"], made["type"]) for made in done["created"]] == SEED

    started = acme.client.post(f"{acme.path}/providers/{provider['id']}/validations", {"level": "infer"})
    assert started.status_code == 202
    work()

    run = acme.client.get(started["Location"]).json()
    assert run["state"] == "passed", run
    assert [step["evidence"]["model"] for step in run["steps"] if step["step"] == "infer"] == [name for name, _ in SEED]
    models = {row["name"]: row for row in acme.client.get(f"{acme.path}/models").json()["results"]}
    assert {row["health"]["state"] for row in models.values()} == {"healthy"}
    assert models["text-embedding-ada-002"]["dimensions"] == 384
    assert models["text-embedding-ada-002"]["capability_source"]["dimensions"] == "probed"


def test_a_refused_key_is_told_apart_and_moves_the_state(acme, fake, work):
    fake.dial.api_keys = {"another"}
    provider = register(acme, fake.url, credentials={"api_key": KEY})

    work()

    run = last_run(acme, provider)
    assert (run["state"], run["diagnosis"]["code"]) == ("failed", "auth_failed")
    assert KEY not in str(run)
    now = fresh(acme, provider)
    assert (now["state"], now["state_reason"]) == ("auth_failed", "auth_failed")
    credential = acme.client.get(f"{acme.path}/providers/{provider['id']}/credentials").json()["results"][0]
    assert credential["last_error"] == "auth_failed"


def test_localhost_where_nothing_listens_gets_the_containers_remedy(acme, loopback, work):
    provider = register(acme, "http://localhost:9")

    work()

    diagnosis = last_run(acme, provider)["diagnosis"]
    assert diagnosis["code"] == "connection_refused_loopback"
    assert "host.docker.internal" in diagnosis["remedy"]
    assert fresh(acme, provider)["state"] == "unreachable"


def test_an_address_that_no_operator_allowed_is_never_dialled(acme, fake, settings, work):
    settings.EGRESS_ALLOW = []
    provider = register(acme, fake.url)

    work()

    run = last_run(acme, provider)
    assert [(step["step"], step["code"]) for step in run["steps"]] == [("policy", "destination_forbidden")]
    assert fresh(acme, provider)["state"] == "unreachable"
    assert fake.ledger == []


def test_passing_a_lower_level_leaves_the_state(acme, fake, work):
    provider = register(acme, fake.url)
    Provider.objects.for_tenant(acme.id).update(state="degraded", state_reason="backend_crashed")
    ValidationRun.objects.for_tenant(acme.id).delete()

    acme.client.post(f"{acme.path}/providers/{provider['id']}/validations", {"level": "connect"})
    work()

    assert last_run(acme, provider)["state"] == "passed"
    now = fresh(acme, provider)
    assert (now["state"], now["state_reason"]) == ("degraded", "backend_crashed")


def test_one_model_that_fails_degrades_the_provider_and_tells_on_which_entry(acme, fake, work):
    provider = register(acme, fake.url)
    work()
    add_model(acme, provider, "gpt-3.5-turbo")
    add_model(acme, provider, "gone", upstream_name="never-installed")

    names = ["gpt-3.5-turbo", "gone"]
    acme.client.post(f"{acme.path}/providers/{provider['id']}/validations", {"level": "infer", "models": names})
    work()

    assert last_run(acme, provider)["diagnosis"]["code"] == "model_not_found"
    now = fresh(acme, provider)
    assert (now["state"], now["state_reason"]) == ("degraded", "model_not_found")
    health = {row["name"]: row["health"] for row in acme.client.get(f"{acme.path}/models").json()["results"]}
    assert health["gpt-3.5-turbo"]["state"] == "healthy"
    assert (health["gone"]["state"], health["gone"]["code"]) == ("failing", "model_not_found")


def test_vectors_of_another_length_than_before_are_a_failure(acme, fake, work):
    provider = register(acme, fake.url)
    work()
    model = add_model(acme, provider, "text-embedding-ada-002", "text-embedding", dimensions=768)

    response = acme.client.post(f"{acme.path}/models/{model['id']}/test")
    assert response.status_code == 202
    work()

    assert acme.client.get(response["Location"]).json()["diagnosis"]["code"] == "dimensions_changed"
    assert acme.client.get(f"{acme.path}/models/{model['id']}").json()["dimensions"] == 768


def test_a_form_is_validated_before_it_is_saved_and_its_secret_wiped(acme, fake, work):
    fake.dial.api_keys = {KEY}
    body = {"kind": "localai", "base_url": fake.url, "credentials": {"api_key": KEY}, "level": "infer"}

    started = acme.client.post(f"{acme.path}/validations", {**body, "models": ["gpt-3.5-turbo"]})

    assert started.status_code == 202
    queued = ValidationRun.objects.for_tenant(acme.id).get()
    assert queued.form_secrets is not None
    assert KEY.encode() not in bytes(queued.form_secrets)
    work()
    run = acme.client.get(started["Location"]).json()
    assert (run["state"], run["provider"]) == ("passed", None)
    assert [step["step"] for step in run["steps"]][-1] == "infer"
    assert fake.requests("/v1/chat/completions")[0].key == KEY
    ended = ValidationRun.objects.for_tenant(acme.id).get()
    assert ended.form_secrets is None
    assert not Provider.objects.for_tenant(acme.id).exists()
    assert not Discovery.objects.for_tenant(acme.id).exists()


def test_a_change_of_address_voids_the_run_of_the_old_one(acme, fake, work):
    provider = register(acme, "http://192.168.1.100:8080")
    first = provider["last_validation"]["id"]

    changed = acme.client.patch(f"{acme.path}/providers/{provider['id']}", {"base_url": fake.url}).json()

    assert changed["state"] == "unverified"
    assert changed["last_validation"]["id"] != first
    states = ValidationRun.objects.for_tenant(acme.id).values_list("state", flat=True).order_by("id")
    assert list(states) == ["cancelled", "queued"]
    work()
    assert fresh(acme, provider)["state"] == "healthy"


def test_a_secret_that_does_not_open_makes_the_provider_undecryptable_until_it_is_entered_anew(acme, fake, work):
    fake.dial.api_keys = {KEY}
    provider = register(acme, fake.url, credentials={"api_key": KEY})
    Provider.objects.for_tenant(acme.id).get().credentials.get().secrets.update(blob=b"MY\x01\x01" + bytes(40))

    work()

    assert last_run(acme, provider)["diagnosis"]["code"] == "undecryptable"
    assert fresh(acme, provider)["state"] == "undecryptable"
    patched = acme.client.patch(f"{acme.path}/providers/{provider['id']}", {"credentials": {"api_key": KEY}})
    assert patched.json()["state"] == "unverified"
    work()
    assert fresh(acme, provider)["state"] == "healthy"


def test_two_workers_do_not_both_take_a_run(acme, work):
    register(acme)
    run = ValidationRun.objects.for_tenant(acme.id).get()

    assert claims.claim(run.id) is not None
    assert claims.claim(run.id) is None
    assert Provider.objects.for_tenant(acme.id).get().state == "validating"


def test_a_run_whose_worker_died_is_taken_again_and_the_dead_one_writes_nothing(acme, work):
    register(acme)
    run = ValidationRun.objects.for_tenant(acme.id).get()
    dead = claims.claim(run.id)
    assert dead is not None
    ValidationRun.objects.for_tenant(acme.id).update(lease_until=run.created_at)

    sweep()

    second = claims.claim(run.id)
    assert second is not None
    assert second.token > dead.token
    with pytest.raises(claims.LostClaim):
        claims.write_steps(dead, [{"step": "policy", "ok": True, "code": "ok", "elapsed_ms": 1}])
    assert ValidationRun.objects.for_tenant(acme.id).get().steps == []


def test_a_run_that_kills_its_workers_ends_failed(acme, work):
    register(acme)
    run = ValidationRun.objects.for_tenant(acme.id).get()
    for _ in range(3):
        assert claims.claim(run.id) is not None
        ValidationRun.objects.for_tenant(acme.id).update(lease_until=run.created_at)
        sweep()

    ended = ValidationRun.objects.for_tenant(acme.id).get()
    assert (ended.state, ended.diagnosis["code"]) == ("failed", "worker_lost")
    assert Provider.objects.for_tenant(acme.id).get().state == "unverified"


def test_runs_beyond_the_minutes_limit_wait_and_are_not_refused(acme, settings, work):
    settings.VALIDATIONS_PER_MINUTE = 2
    provider = register(acme)
    for _ in range(2):
        assert acme.client.post(f"{acme.path}/providers/{provider['id']}/validations").status_code == 202
    first, second, third = ValidationRun.objects.for_tenant(acme.id).order_by("id")

    assert claims.claim(first.id) is not None
    assert claims.claim(second.id) is not None
    assert claims.claim(third.id) is None
    third.refresh_from_db()
    assert third.state == "queued"


def test_a_running_run_that_is_cancelled_stops_and_leaves_the_provider_unverified(acme, fake, work):
    fake.dial.hang_listing = True
    register(acme, fake.url)
    run = ValidationRun.objects.for_tenant(acme.id).get()
    running = worker.execute(run.id)
    wait_for(lambda: fake.requests("/v1/models"), seconds=60)

    assert cancel_run(run, by=SYSTEM) is True

    running.result(60)
    run.refresh_from_db()
    assert (run.state, run.diagnosis) == ("cancelled", None)
    assert Provider.objects.for_tenant(acme.id).get().state == "unverified"
    assert cancel_run(run, by=SYSTEM) is False


def test_a_worker_that_is_being_stopped_gives_the_run_back(acme, fake, work):
    fake.dial.hang_listing = True
    register(acme, fake.url)
    run = ValidationRun.objects.for_tenant(acme.id).get()
    worker.execute(run.id)
    wait_for(lambda: fake.requests("/v1/models"), seconds=60)

    worker_loop.stop(1.0)

    run.refresh_from_db()
    assert (run.state, run.attempt, run.lease_until) == ("queued", 0, None)
