"""What was sealed is on no page, in no message, in no log and in no initial value of a form."""

import re

from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.urls import reverse

from providers.models import Credential, Job, Provider, SealedSecret
from tenants.models import ApiKey, AuditEvent
from tenants.sealing import Context, open_sealed
from tests.admin.conftest import CANARY, SHOWN, act, address, may_add, page_of
from tests.factories import ApiClient, bearer


def every_address(stock):
    yield reverse("admin:index")
    yield reverse("admin:admin_logentry_changelist")
    yield "/admin/providers/provider/add/?kind=localai"
    for model in SHOWN:
        yield address(model, "changelist")
        yield address(model, "change", stock[model].pk)
        yield address(model, "history", stock[model].pk)
        if may_add(model):
            yield address(model, "add")


def test_no_page_holds_the_secret(staff, stock):
    addresses = list(every_address(stock))

    found = [path for path in addresses if CANARY in staff.get(path, follow=True).content.decode()]

    assert len(addresses) > 40
    assert found == []


def test_no_page_holds_the_sealed_bytes_or_a_keys_digest(staff, stock):
    sealed = [bytes(secret.blob).hex() for secret in SealedSecret.unscoped.all()]
    hidden = [*sealed, stock[ApiKey].digest]

    pages = "".join(staff.get(path, follow=True).content.decode() for path in every_address(stock))

    assert len(sealed) == 1
    assert [text for text in hidden if text in pages] == []


def test_the_last_characters_of_a_secret_are_shown_to_tenants_only(staff, stock):
    assert SealedSecret.unscoped.get().last4 == "4b2e"
    assert "4b2e" not in page_of(staff, Provider, "change", stock[Provider].pk)
    assert "4b2e" not in page_of(staff, Credential, "change", stock[Credential].pk)


def test_a_secret_typed_into_a_refused_form_does_not_come_back(staff, stock):
    body = {"tenant": stock[Provider].tenant_id, "name": "two", "base_url": "http://0.0.0.0:8080"}
    body |= {"credentials__api_key": "sk-typed-0123456789abcdef"}

    page = staff.post("/admin/providers/provider/add/?kind=localai", body).content.decode()

    assert "0.0.0.0" in page
    assert "sk-typed" not in page


def test_no_record_of_an_edit_holds_the_new_secret(staff, stock, settings_of):
    provider = stock[Provider]
    body = settings_of(provider) | {"credentials__api_key": "sk-newer-0123456789abcdef"}

    answer = staff.post(address(Provider, "change", provider.pk), body, follow=True)

    records = [*AuditEvent.unscoped.values_list("detail", flat=True), *LogEntry.objects.values_list("change_message")]
    assert "fields" in str(records)
    assert "sk-newer" not in str(records)
    assert "sk-newer" not in answer.content.decode()
    assert not any("sk-newer" in str(message) for message in get_messages(answer.wsgi_request))


def test_the_secret_that_was_entered_is_the_one_that_is_sealed(staff, stock, settings_of):
    provider = stock[Provider]

    staff.post(
        address(Provider, "change", provider.pk), settings_of(provider) | {"credentials__api_key": "sk-other-42"}
    )

    secret = SealedSecret.unscoped.get()
    place = Context(provider.tenant_id, "providers_sealedsecret", secret.credential_id, "api_key", secret.origin)
    assert open_sealed(bytes(secret.blob), place) == b"sk-other-42"


def test_what_was_asked_and_answered_in_a_job_is_not_shown(staff, stock):
    Job.unscoped.update(input=b"prompt-canary", result=b"answer-canary")

    page = page_of(staff, Job, "change", stock[Job].pk)

    assert "prompt-canary" not in page
    assert "answer-canary" not in page


def test_a_new_key_is_shown_once_and_never_again(staff, stock):
    body = {"tenant": stock[ApiKey].tenant_id, "name": "ci", "scopes": ["infer"]}

    answer = staff.post(address(ApiKey, "add"), body)

    shown = re.search(r"myd_live_\w+", answer.content.decode())
    assert shown is not None
    assert "no-store" in answer["Cache-Control"]
    made = ApiKey.unscoped.get(name="ci")
    pages = page_of(staff, ApiKey, "change", made.pk) + page_of(staff, ApiKey, "changelist")
    assert shown.group() not in pages
    assert shown.group() not in str(list(LogEntry.objects.values()))


def test_a_new_key_works(staff, stock, acme):
    answer = staff.post(address(ApiKey, "add"), {"tenant": acme.id, "name": "ci", "scopes": ["providers:read"]})
    key = re.search(r"myd_live_\w+", answer.content.decode()).group()

    assert ApiClient(headers=bearer(key)).get(f"{acme.path}/providers").status_code == 200


def test_a_revoked_credential_holds_nothing_any_more(staff, stock):
    act(staff, stock[Credential], "revoke")

    assert SealedSecret.unscoped.count() == 0
