"""Operators add, edit, switch, validate and remove providers: through the verbs that the API uses."""

import re

import pytest

from providers.models import Credential, DefaultModel, Discovery, Job, ModelEntry, Provider, SealedSecret, ValidationRun
from tenants.models import AuditEvent
from tests.admin.conftest import CANARY, act, address, page_of

ADD = "/admin/providers/provider/add/"


def new_provider(team, **changes):
    body = {"tenant": team.id, "name": "gpu-box", "base_url": "http://192.168.1.100:8080/v1/"}
    settings = {"connect_timeout_seconds": "5", "first_token_timeout_seconds": "300", "idle_timeout_seconds": "60"}
    settings |= {"total_timeout_seconds": "1800", "max_concurrency": "", "verify_tls": "on", "extra_headers": "{}"}
    return body | {f"settings__{name}": value for name, value in settings.items()} | changes


def events(action):
    return AuditEvent.unscoped.filter(action=action)


# --- Adding ---


def test_first_the_kind_is_chosen(staff):
    page = staff.get(ADD).content.decode()

    assert "?kind=localai" in page
    assert "?kind=xinference" in page
    assert "?kind=openai_compatible" in page


def test_the_kind_decides_the_form(staff):
    assert 'name="credentials__admin_api_key"' in staff.get(f"{ADD}?kind=localai").content.decode()
    assert 'name="credentials__admin_api_key"' not in staff.get(f"{ADD}?kind=openai_compatible").content.decode()


def test_a_provider_is_added_sealed_audited_and_about_to_be_validated(staff, operator, acme):
    answer = staff.post(f"{ADD}?kind=localai", new_provider(acme, credentials__api_key=CANARY))

    provider = Provider.unscoped.get()
    assert (provider.base_url, provider.state, provider.tenant_id) == (
        "http://192.168.1.100:8080",
        "unverified",
        acme.id,
    )
    assert SealedSecret.unscoped.get().field == "api_key"
    assert events("provider.created").get().actor_id == operator.id
    run = ValidationRun.unscoped.get()
    assert (run.state, run.level) == ("queued", "models")
    assert answer["Location"] == address(ValidationRun, "change", run.pk)


def test_settings_arrive_with_their_types(staff, acme):
    given = {"settings__connect_timeout_seconds": "2.5", "settings__max_concurrency": "8", "settings__verify_tls": ""}
    given |= {"settings__extra_headers": '{"X-Team": "acme"}'}

    staff.post(f"{ADD}?kind=localai", new_provider(acme, **given))

    settings = Provider.unscoped.get().settings
    assert settings["connect_timeout_seconds"] == 2.5
    assert settings["idle_timeout_seconds"] == 60
    assert settings["max_concurrency"] == 8
    assert settings["verify_tls"] is False
    assert settings["extra_headers"] == {"X-Team": "acme"}


def test_an_empty_figure_means_none(staff, acme):
    staff.post(f"{ADD}?kind=localai", new_provider(acme))

    assert Provider.unscoped.get().settings["max_concurrency"] is None


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"base_url": "http://0.0.0.0:8080"}, "base_url", "0.0.0.0"),
        ({"base_url": "http://169.254.169.254"}, "base_url", "never dialled"),
        ({"credentials__api_key": "••••••••"}, "credentials__api_key", "looks like a mask"),
        ({"settings__connect_timeout_seconds": "600"}, "settings__connect_timeout_seconds", "at most 60"),
        ({"settings__extra_headers": '{"Host": "x"}'}, "settings__extra_headers", "may not be set"),
        ({"settings__extra_headers": "no json"}, "settings__extra_headers", "valid JSON"),
        ({"name": " "}, "name", "required"),
    ],
    ids=["bind-address", "metadata", "mask", "bound", "header", "json", "name"],
)
def test_a_refusal_stands_beside_its_field_and_nothing_is_saved(staff, acme, changes, field, message):
    answer = staff.post(f"{ADD}?kind=localai", new_provider(acme, **changes))

    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert message in str(errors[field])
    assert (Provider.unscoped.count(), ValidationRun.unscoped.count(), events("provider.created").count()) == (0, 0, 0)


def test_a_name_that_is_taken_stands_beside_the_name(staff, stock, acme):
    answer = staff.post(f"{ADD}?kind=localai", new_provider(acme))

    assert "Another one has this name already." in str(answer.context["adminform"].form.errors["name"])


# --- Editing ---


def test_an_untouched_form_changes_nothing(staff, stock, settings_of):
    before = Provider.unscoped.values().get()

    staff.post(address(Provider, "change", stock[Provider].pk), settings_of(stock[Provider]))

    assert Provider.unscoped.values().get() == before
    assert SealedSecret.unscoped.count() == 1
    assert not events("provider.changed").exists()


def test_an_edit_is_audited_with_the_fields_it_touched(staff, stock, settings_of):
    body = settings_of(stock[Provider]) | {"name": "bigger-box", "settings__max_concurrency": "9"}

    staff.post(address(Provider, "change", stock[Provider].pk), body)

    provider = Provider.unscoped.get()
    assert (provider.name, provider.settings["max_concurrency"]) == ("bigger-box", 9)
    assert events("provider.changed").get().detail["changed"] == ["name", "settings"]


def test_a_secret_does_not_follow_to_another_server(staff, stock, settings_of):
    body = settings_of(stock[Provider]) | {"base_url": "http://192.168.1.200:8080"}

    answer = staff.post(address(Provider, "change", stock[Provider].pk), body)

    assert "credentials__api_key" in answer.context["adminform"].form.errors
    assert Provider.unscoped.get().base_url == "http://192.168.1.100:8080"


def test_a_stored_secret_is_cleared_on_demand(staff, stock, settings_of):
    body = settings_of(stock[Provider]) | {"credentials__api_key__clear": "on"}

    staff.post(address(Provider, "change", stock[Provider].pk), body)

    assert SealedSecret.unscoped.count() == 0


def test_the_page_says_that_a_secret_is_stored_without_saying_it(staff, stock):
    page = page_of(staff, Provider, "change", stock[Provider].pk)

    assert SealedSecret.unscoped.get().fingerprint in page
    assert "Leave empty to keep it." in page


# --- Switching, removing ---


def test_a_provider_is_switched_off_and_on(staff, stock):
    act(staff, stock[Provider], "disable")
    assert not Provider.unscoped.get().enabled
    assert events("provider.disabled").exists()

    act(staff, stock[Provider], "enable")
    assert Provider.unscoped.get().enabled


def test_many_are_switched_off_at_once(staff, stock):
    body = {"action": "disable_selected", "_selected_action": [str(stock[Provider].pk)]}

    staff.post(address(Provider, "changelist"), body)

    assert not Provider.unscoped.get().enabled


def test_before_it_is_removed_the_operator_sees_what_goes_with_it(staff, stock):
    dialog = staff.get(address(Provider, "remove", stock[Provider].pk)).content.decode()

    assert "gpt-3.5-turbo" in dialog
    assert "1 queued" in dialog
    assert Provider.unscoped.exists()


def test_a_removed_provider_takes_its_models_along_and_cancels_its_jobs(staff, stock):
    answer = act(staff, stock[Provider], "remove")

    assert answer["HX-Redirect"] == address(Provider, "changelist")
    assert not ModelEntry.unscoped.exists()
    assert Job.unscoped.get().state == "cancelled"
    assert events("provider.deleted").exists()


# --- Validating ---


def test_validate_now_leads_to_the_runs_page(staff, stock):
    answer = act(staff, stock[Provider], "validate", level="infer")

    run = ValidationRun.unscoped.order_by("-id").first()
    assert (run.state, run.level) == ("queued", "infer")
    assert answer["HX-Redirect"] == address(ValidationRun, "change", run.pk)
    assert events("validation.queued").order_by("-id").first().actor_kind == "operator"


def test_without_a_level_the_dialog_stays(staff, stock):
    answer = act(staff, stock[Provider], "validate", level="everything")

    assert answer.status_code == 200
    assert ValidationRun.unscoped.count() == 1


def test_a_running_validation_renews_its_panel_until_it_ends(staff, stock):
    run = stock[ValidationRun]
    panel = address(ValidationRun, "panel", run.pk)
    assert f'hx-get="{panel}"' in page_of(staff, ValidationRun, "change", run.pk)

    steps = [{"step": "policy", "ok": True, "code": "ok", "elapsed_ms": 1}]
    ValidationRun.unscoped.update(state="running", steps=steps)
    moving = staff.get(panel)
    ValidationRun.unscoped.update(state="passed")
    ended = staff.get(panel)

    assert 'data-step="policy" data-state="passed"' in moving.content.decode()
    assert 'data-step="connect" data-state="running"' in moving.content.decode()
    assert 'data-step="models" data-state="waiting"' in moving.content.decode()
    assert "HX-Refresh" not in moving
    assert ended["HX-Refresh"] == "true"


def steps_shown(staff, run, level, *steps):
    """Names and states on the page of a run that is not over yet."""
    rows = [{"step": name, "ok": is_ok, "code": "ok", "elapsed_ms": 1} for name, is_ok in steps]
    ValidationRun.unscoped.update(state="running", level=level, steps=rows)
    panel = staff.get(address(ValidationRun, "panel", run.pk)).content.decode()
    return re.findall(r'data-step="(\w+)" data-state="(\w+)"', panel)


def test_between_its_last_step_and_its_end_a_run_shows_each_step_once(staff, stock):
    shown = steps_shown(staff, stock[ValidationRun], "models", ("auth", True), ("models", True))

    assert shown == [("auth", "passed"), ("models", "passed")]


def test_between_a_failed_step_and_its_end_a_run_shows_nothing_to_come(staff, stock):
    assert steps_shown(staff, stock[ValidationRun], "models", ("policy", False)) == [("policy", "failed")]


def test_after_one_models_inference_those_that_are_left_are_running(staff, stock):
    shown = steps_shown(staff, stock[ValidationRun], "infer", ("models", True), ("infer", False))

    assert shown == [("models", "passed"), ("infer", "failed"), ("rest", "running")]


def test_a_failed_step_shows_its_code_and_the_remedy(staff, stock):
    steps = [{"step": "connect", "ok": False, "code": "connection_refused_loopback", "elapsed_ms": 3}]
    diagnosis = {"code": "connection_refused_loopback", "message": "Nothing listens.", "remedy": "Use the LAN address."}
    ValidationRun.unscoped.update(state="failed", steps=steps, diagnosis=diagnosis)

    page = page_of(staff, ValidationRun, "change", stock[ValidationRun].pk)

    assert 'data-step="connect" data-state="failed"' in page
    assert "connection_refused_loopback" in page
    assert "Use the LAN address." in page


def test_a_run_is_cancelled(staff, stock):
    act(staff, stock[ValidationRun], "cancel")

    assert ValidationRun.unscoped.get().state == "cancelled"


def test_a_run_that_ended_is_taken_again(staff, stock):
    ValidationRun.unscoped.update(state="passed")

    act(staff, stock[ValidationRun], "again")

    assert ValidationRun.unscoped.filter(state="queued").count() == 1


# --- Models ---


def listed(provider, *names):
    found = [{"upstream_name": name, "type": "llm", "capabilities": ["chat"], "features": []} for name in names]
    Discovery(tenant_id=provider.tenant_id, provider=provider, state="succeeded", found=found).save()


def test_before_an_import_the_operator_sees_what_would_be_made(staff, stock):
    listed(stock[Provider], "mistral-small", "gpt-3.5-turbo")

    dialog = staff.get(address(Provider, "import_models", stock[Provider].pk)).content.decode()

    assert "mistral-small" in dialog
    assert "already_imported" in dialog
    assert ModelEntry.unscoped.count() == 1


def test_what_the_last_listing_found_is_imported(staff, stock):
    listed(stock[Provider], "mistral-small", "gpt-3.5-turbo")

    act(staff, stock[Provider], "import_models")

    assert sorted(ModelEntry.unscoped.values_list("name", flat=True)) == ["gpt-3.5-turbo", "mistral-small"]
    assert "1 imported, 1 left out." in page_of(staff, Provider, "change", stock[Provider].pk)


def test_without_a_listing_the_operator_reads_what_is_missing(staff, stock):
    act(staff, stock[Provider], "import_models")

    page = page_of(staff, Provider, "change", stock[Provider].pk)
    assert "have not been listed yet." in page


def test_a_model_is_added_by_hand(staff, stock):
    body = {"provider": stock[Provider].pk, "name": "embedder", "type": "text-embedding", "dimensions": "384"}

    staff.post(address(ModelEntry, "add"), body)

    entry = ModelEntry.unscoped.get(name="embedder")
    assert (entry.upstream_name, entry.dimensions, entry.tenant_id) == ("embedder", 384, stock[Provider].tenant_id)
    assert events("model.created").order_by("-id").first().actor_kind == "operator"


def test_a_models_fault_stands_beside_its_field(staff, stock):
    body = {"provider": stock[Provider].pk, "name": "has space", "type": "llm"}

    answer = staff.post(address(ModelEntry, "add"), body)

    assert "no spaces" in str(answer.context["adminform"].form.errors["name"])


def test_an_edit_changes_only_what_was_touched(staff, stock):
    entry = stock[ModelEntry]
    body = {"name": entry.name, "upstream_name": entry.upstream_name, "type": "llm", "mode": entry.mode or ""}
    body |= {"context_size": "4096", "features": "[]", "parameters": '{"temperature": 0.7}'}
    body |= {"settings": '{"idle_timeout_seconds": 5}'}

    staff.post(address(ModelEntry, "change", entry.pk), body)

    changed = ModelEntry.unscoped.get()
    assert (changed.context_size, changed.parameters) == (4096, {"temperature": 0.7})
    assert changed.settings == {"idle_timeout_seconds": 5}
    assert events("model.changed").get().detail["changed"] == ["context_size", "parameters", "settings"]


def test_a_model_is_switched_tested_and_removed(staff, stock):
    act(staff, stock[ModelEntry], "disable")
    assert not ModelEntry.unscoped.get().enabled

    act(staff, stock[ModelEntry], "test")
    assert ValidationRun.unscoped.order_by("-id").first().models_to_infer == ["gpt-3.5-turbo"]

    act(staff, stock[ModelEntry], "remove")
    assert not DefaultModel.unscoped.exists()


def test_a_staged_credential_is_activated(staff, stock):
    Credential.unscoped.update(state="staged")

    act(staff, stock[Credential], "activate")

    assert Credential.unscoped.get().state == "active"
