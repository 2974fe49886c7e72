"""From the name a caller says to a target: the tenant's own, switched on, of the right type."""

import pytest

from providers.errors import ModelDisabled, SecretUnreadable, UnknownModel, WrongModelType
from providers.models import Provider
from providers.routing import provider_target, resolve
from tests.providers.rows import add_credential, add_model, add_provider, make_default

pytestmark = pytest.mark.django_db

URL = "http://192.168.1.100:8080"


def test_a_name_leads_to_its_server_and_the_name_there(acme):
    entry = add_model(add_provider(acme, URL), "gpt-4", upstream_name="llama-3.gguf")

    target = resolve(acme.id, "gpt-4", "chat.completions")

    assert (target.base_url, target.upstream_name, target.model_name) == (URL, "llama-3.gguf", "gpt-4")
    assert target.model_entry_id == entry.pk


def test_an_unknown_name_is_refused(acme):
    with pytest.raises(UnknownModel):
        resolve(acme.id, "gpt-4", "chat.completions")


def test_a_strangers_model_does_not_exist(acme, globex):
    add_model(add_provider(acme, URL), "gpt-4")

    with pytest.raises(UnknownModel):
        resolve(globex.id, "gpt-4", "chat.completions")


def test_a_name_that_is_not_on_the_keys_list_does_not_exist(acme):
    add_model(add_provider(acme, URL), "gpt-4")

    with pytest.raises(UnknownModel):
        resolve(acme.id, "gpt-4", "chat.completions", allowed_models=frozenset({"other"}))


def test_a_switched_off_model_is_refused(acme):
    add_model(add_provider(acme, URL), "gpt-4", enabled=False)

    with pytest.raises(ModelDisabled):
        resolve(acme.id, "gpt-4", "chat.completions")


def test_a_switched_off_provider_is_refused(acme):
    provider = add_provider(acme, URL)
    add_model(provider, "gpt-4")
    Provider.objects.for_tenant(acme.id).update(enabled=False)

    with pytest.raises(ModelDisabled):
        resolve(acme.id, "gpt-4", "chat.completions")


def test_an_embedding_model_does_not_chat(acme):
    add_model(add_provider(acme, URL), "ada", type="text-embedding")

    with pytest.raises(WrongModelType) as refused:
        resolve(acme.id, "ada", "chat.completions")

    assert "text-embedding" in refused.value.message


@pytest.mark.parametrize("asked", [None, "default"])
def test_default_or_no_name_means_the_default_of_the_operations_type(acme, asked):
    provider = add_provider(acme, URL)
    add_model(provider, "other")
    make_default(add_model(provider, "gpt-4"))

    assert resolve(acme.id, asked, "chat.completions").model_name == "gpt-4"


def test_without_a_default_no_name_is_refused_with_the_way_out(acme):
    with pytest.raises(UnknownModel) as refused:
        resolve(acme.id, None, "embeddings")

    assert "set a default" in refused.value.message


def test_the_active_credential_is_opened_into_headers_that_nothing_shows(acme):
    provider = add_provider(acme, URL, secrets={"api_key": "sk-very-secret"})

    target = provider_target(provider)

    assert target.headers["Authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in repr(target)


def test_a_staged_credential_is_used_where_it_is_named(acme):
    provider = add_provider(acme, URL, secrets={"api_key": "old"})
    staged = add_credential(provider, {"api_key": "new"}, name="next", state="staged")

    assert provider_target(provider, credential=staged).headers["Authorization"] == "Bearer new"
    assert provider_target(provider).headers["Authorization"] == "Bearer old"


def test_a_secret_does_not_follow_its_provider_to_another_server(acme):
    provider = add_provider(acme, URL, secrets={"api_key": "sk-very-secret"})
    provider.base_url = "http://192.168.1.66:8080"
    provider.save()

    with pytest.raises(SecretUnreadable):
        provider_target(provider)


def test_settings_left_out_take_the_kinds_defaults(acme):
    target = provider_target(add_provider(acme, URL, first_token_timeout_seconds=7))

    assert target.timeouts.first_token_seconds == 7
    assert target.timeouts.connect_seconds == 5
    assert target.max_concurrency == 4


def test_extra_headers_go_along_but_never_replace_the_key(acme):
    provider = add_provider(acme, URL, secrets={"api_key": "k"}, extra_headers={"X-Team": "acme"})

    assert provider_target(provider).headers == {"X-Team": "acme", "Authorization": "Bearer k"}
