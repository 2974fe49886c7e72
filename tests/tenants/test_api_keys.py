"""API keys: shown once, limited by what their maker holds, gone when revoked."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from tenants.models import ApiKey, AuditEvent
from tenants.rate_limits import RateLimits
from tests.factories import ApiClient, bearer

pytestmark = pytest.mark.django_db

NAME = {"name": "ci"}


def make(acme, client=None, **body):
    return (client or acme.client).post(f"{acme.path}/api-keys", {**NAME, **body})


def change(acme, id, **body):
    return acme.client.patch(f"{acme.path}/api-keys/{id}", body, content_type="application/json")


def test_a_new_key_works(acme):
    answer = make(acme, scopes=["models:read"])

    assert answer.status_code == 201
    (membership,) = ApiClient(headers=bearer(answer.json()["key"])).get("/api/v1/me").json()["memberships"]
    assert membership["permissions"] == ["models:read"]


def test_the_key_is_shown_once(acme):
    made = make(acme)
    key = made.json()["key"]

    for path in ("", "/api-keys", f"/api-keys/{made.json()['id']}", "/audit-events"):
        assert key not in acme.client.get(acme.path + path).content.decode()
    assert made.json()["prefix"] == key[:19]
    assert made.json()["last4"] == key[-4:]


def test_the_database_does_not_hold_the_key(acme):
    key = make(acme).json()["key"]

    row = ApiKey.unscoped.get(name="ci")

    assert key[20:] not in str(vars(row))


def test_scopes_left_out_are_all_that_the_role_allows_but_admin(acme):
    scopes = make(acme).json()["scopes"]

    assert "creds:write" in scopes
    assert "admin" not in scopes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("name", 5),
        ("name", None),
        ("scopes", []),
        ("scopes", ["root"]),
        ("scopes", "infer"),
        ("scopes", [["infer"]]),
        ("scopes", None),
        ("expires_at", "tomorrow"),
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("expires_at", "2099-01-01T00:00:00"),
        ("expires_at", 4102444800),
        ("allowed_models", "gpt-4"),
        ("allowed_models", [5]),
        ("allowed_models", ["x" * 256]),
        ("allowed_cidrs", []),
        ("allowed_cidrs", ["10.0.0.0/33"]),
        ("allowed_cidrs", ["10.0.0.1/8"]),
        ("allowed_cidrs", ["everywhere"]),
        ("rate_limits", None),
        ("rate_limits", 60),
        ("rate_limits", {"requests_per_minute": 0}),
        ("rate_limits", {"requests_per_minute": "60"}),
        ("rate_limits", {"tokens_per_minute": 100_000_001}),
        ("rate_limits", {"concurrent_streams": True}),
        ("rate_limits", {"requests_per_second": 1}),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field(acme, field, value):
    answer = make(acme, **{field: value})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].split(".")[0] == field
    assert not ApiKey.unscoped.filter(name="ci").exists()


@pytest.mark.parametrize("field", ["acts_as_owner", "key", "tenant", "created_by", "digest", "revoked_at"])
def test_a_field_that_cannot_be_set_is_refused(acme, field):
    answer = make(acme, **{field: None})

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field")
    assert answer.json()["errors"][0]["field"] == field


def test_a_key_is_renamed_and_narrowed(acme):
    id = make(acme).json()["id"]

    answer = change(acme, id, name="deploy", scopes=["infer"], allowed_models=["gpt-4"], allowed_cidrs=["10.0.0.0/8"])

    shown = answer.json()
    assert (shown["name"], shown["scopes"]) == ("deploy", ["infer"])
    assert (shown["allowed_models"], shown["allowed_cidrs"]) == (["gpt-4"], ["10.0.0.0/8"])


def test_what_a_patch_leaves_out_stays_and_null_lifts_a_limit(acme):
    soon = (timezone.now() + timedelta(days=1)).isoformat()
    made = make(acme, expires_at=soon, allowed_models=["gpt-4"]).json()

    kept = change(acme, made["id"], name="deploy").json()
    lifted = change(acme, made["id"], expires_at=None).json()

    assert datetime.fromisoformat(kept["expires_at"]) == datetime.fromisoformat(soon)
    assert kept["allowed_models"] == lifted["allowed_models"] == ["gpt-4"]
    assert lifted["expires_at"] is None


def test_rate_limits_are_none_unless_given_and_a_patch_merges_them(acme):
    free = make(acme).json()
    made = make(acme, rate_limits={"requests_per_minute": 60, "concurrent_streams": 2}).json()

    merged = change(acme, made["id"], rate_limits={"requests_per_minute": None, "tokens_per_minute": 5000}).json()
    kept = change(acme, made["id"], name="deploy").json()

    assert set(free["rate_limits"].values()) == {None}
    assert made["rate_limits"] == {"requests_per_minute": 60, "tokens_per_minute": None, "concurrent_streams": 2}
    assert merged["rate_limits"] == {"requests_per_minute": None, "tokens_per_minute": 5000, "concurrent_streams": 2}
    assert kept["rate_limits"] == merged["rate_limits"]


def test_a_revoked_key_is_gone_from_the_list_and_cannot_be_changed_back(acme):
    id = make(acme).json()["id"]
    path = f"{acme.path}/api-keys/{id}"

    assert acme.client.delete(path).status_code == 204
    assert [row["name"] for row in acme.client.get(f"{acme.path}/api-keys").json()["results"]] == ["owner key"]
    assert acme.client.get(path).status_code == 404
    assert change(acme, id, name="x").status_code == 404
    assert acme.client.delete(path).status_code == 404


def test_a_key_may_revoke_itself(acme):
    key = acme.key_of(acme.owner, {"admin"})
    id = ApiKey.unscoped.get(created_by=acme.owner).id
    client = ApiClient(headers=bearer(key))

    assert client.delete(f"{acme.path}/api-keys/{id}").status_code == 204
    assert client.get("/api/v1/me").status_code == 401


class TestAKeyThatMakesKeys:
    def test_gives_no_scope_that_it_lacks(self, acme):
        answer = make(acme, acme.client_with("admin", "infer"), scopes=["infer", "creds:write"])

        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert "`creds:write`" in answer.json()["hint"]

    def test_gives_by_default_what_it_has(self, acme):
        assert make(acme, acme.client_with("admin", "infer")).json()["scopes"] == ["infer"]

    def test_passes_its_own_limits_on(self, acme):
        soon = timezone.now() + timedelta(days=1)
        key = acme.key_of(
            acme.owner,
            allowed_models=frozenset({"gpt-4"}),
            allowed_cidrs=("127.0.0.0/8",),
            expires_at=soon,
            rate_limits=RateLimits(requests_per_minute=60),
        )

        made = make(acme, ApiClient(headers=bearer(key))).json()

        assert made["allowed_models"] == ["gpt-4"]
        assert made["allowed_cidrs"] == ["127.0.0.0/8"]
        assert datetime.fromisoformat(made["expires_at"]) == soon
        assert made["rate_limits"]["requests_per_minute"] == 60

    @pytest.mark.parametrize(
        "body",
        [
            {"allowed_models": ["gpt-4", "gpt-5"]},
            {"allowed_cidrs": ["0.0.0.0/0"]},
            {"allowed_cidrs": ["::/0"]},
            {"expires_at": "2099-01-01T00:00:00Z"},
            {"rate_limits": {"requests_per_minute": 61}},
        ],
        ids=lambda body: next(iter(body)),
    )
    def test_does_not_reach_further_than_itself(self, acme, body):
        key = acme.key_of(
            acme.owner,
            allowed_models=frozenset({"gpt-4"}),
            allowed_cidrs=("127.0.0.0/8",),
            expires_at=timezone.now() + timedelta(days=1),
            rate_limits=RateLimits(requests_per_minute=60),
        )

        answer = make(acme, ApiClient(headers=bearer(key)), **body)

        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    def test_does_not_widen_another_key(self, acme):
        narrow = make(acme, scopes=["infer"]).json()["id"]

        answer = acme.client_with("admin", "infer").patch(
            f"{acme.path}/api-keys/{narrow}", {"scopes": ["creds:write"]}, content_type="application/json"
        )

        assert answer.status_code == 403
        assert ApiKey.unscoped.get(pk=narrow).scopes == ["infer"]

    def test_makes_keys_that_follow_the_same_person(self, acme):
        admin = acme.person("admin")
        client = ApiClient(headers=bearer(acme.key_of(admin)))

        assert make(acme, client).json()["created_by"]["email"] == "admin@acme.example"


def test_making_changing_and_revoking_are_in_the_audit_log(acme):
    id = make(acme).json()["id"]
    change(acme, id, name="deploy")
    acme.client.delete(f"{acme.path}/api-keys/{id}")

    events = AuditEvent.objects.for_tenant(acme.id).filter(object_id=id).order_by("id")

    assert [(one.action, one.actor_kind, one.actor_label) for one in events] == [
        ("api_key.created", "api_key", "owner key"),
        ("api_key.changed", "api_key", "owner key"),
        ("api_key.revoked", "api_key", "owner key"),
    ]


def test_a_patch_that_changes_nothing_is_no_event(acme):
    made = make(acme).json()
    change(acme, made["id"], name="ci")

    assert AuditEvent.objects.for_tenant(acme.id).filter(action="api_key.changed").count() == 0
