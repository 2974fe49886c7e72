"""No answer, row, log line or message shows a secret once it is stored."""

import base64

import pytest
from django.apps import apps

from providers.models import Provider, SealedSecret, ValidationRun
from tests.providers.control.conftest import KEY, add_model, register

pytestmark = pytest.mark.django_db(transaction=True)
SPELLINGS = [KEY, base64.b64encode(KEY.encode()).decode()[:-2], KEY.encode().hex(), KEY[-12:]]


def everything_stored():
    """Every value of every row of both apps, as text."""
    for app in ("tenants", "providers"):
        for model in apps.get_app_config(app).get_models():
            for row in getattr(model, "unscoped", model._default_manager).all():
                for field in model._meta.concrete_fields:
                    value = field.value_from_object(row)
                    raw = bytes(value) if isinstance(value, memoryview | bytes) else str(value).encode()
                    yield f"{model.__name__}.{field.name}", raw.decode("latin-1")


def test_a_planted_secret_is_found_nowhere(acme, fake, work, caplog):
    caplog.set_level("DEBUG")
    fake.dial.api_keys = {KEY}
    fake.dial.refusal = "echo"
    provider = register(acme, fake.url, credentials={"api_key": KEY, "admin_api_key": KEY})
    answers = [provider]
    work()
    add_model(acme, provider, "gpt-3.5-turbo")
    path = f"{acme.path}/providers/{provider['id']}"
    credential = acme.client.get(f"{path}/credentials").json()["results"][0]
    acme.client.post(f"{path}/validations", {"level": "infer"})
    body = {"kind": "localai", "base_url": fake.url, "credentials": {"api_key": KEY}}
    acme.client.post(f"{acme.path}/validations", body)
    rotation = {"fields": {"api_key": KEY, "admin_api_key": KEY}}
    acme.client.post(f"{path}/credentials/{credential['id']}/rotate", rotation)
    fake.dial.api_keys = {"another"}  # from here on the server echoes what it refuses
    work()

    pages = ("credentials", "validations", "discoveries", "discovered-models")
    addresses = [path, *(f"{path}/{page}" for page in pages)]
    addresses += [f"{acme.path}/{page}" for page in ("audit-events", "models", "providers")]
    answers += [acme.client.get(address).json() for address in addresses]

    assert fake.requests("/v1/models")[-1].key == KEY  # it was used
    for spelling in SPELLINGS:
        assert spelling not in str(answers)
        assert spelling not in caplog.text
        assert [where for where, value in everything_stored() if spelling in value] == []


def test_the_same_blob_does_not_open_in_another_credential(acme, fake, work):
    fake.dial.api_keys = {KEY}
    first = register(acme, fake.url, credentials={"api_key": KEY})
    second = register(acme, fake.url, name="second", credentials={"api_key": "sk-something-else-entirely"})
    blobs = SealedSecret.objects.for_tenant(acme.id)
    stolen = blobs.get(credential__provider_id=first["id"]).blob
    blobs.filter(credential__provider_id=second["id"]).update(blob=stolen)

    work()

    run = ValidationRun.objects.for_tenant(acme.id).get(provider_id=second["id"])
    assert run.diagnosis["code"] == "undecryptable"


def test_a_secret_is_never_sent_to_another_origin(acme, fake, work):
    provider = register(acme, "http://127.0.0.1:9", credentials={"api_key": KEY})
    Provider.objects.for_tenant(acme.id).filter(id=provider["id"]).update(base_url=fake.url)  # behind the verbs' back

    work()

    assert ValidationRun.objects.for_tenant(acme.id).get().diagnosis["code"] == "undecryptable"
    assert fake.ledger == []
