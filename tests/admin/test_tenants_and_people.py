"""Operators make tenants, let people in and shut them out: through the verbs, so that all of it is in the audit log."""

from django.contrib.admin.models import LogEntry

from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tests.admin.conftest import act, address, page_of
from tests.factories import PASSWORD, ApiClient, make_user


def last_event(action):
    return AuditEvent.unscoped.filter(action=action).order_by("-id").first()


def test_a_tenant_is_made_with_its_first_owner(staff, operator):
    body = {"slug": "initech", "name": "Initech", "owner_email": "bill@initech.example"}

    answer = staff.post(address(Tenant, "add"), body)

    assert answer.status_code == 302
    membership = Membership.unscoped.get()
    assert (membership.tenant.slug, membership.user.email, membership.role) == (
        "initech",
        "bill@initech.example",
        "owner",
    )
    event = last_event("tenant.created")
    assert (event.actor_kind, event.actor_id, event.actor_label) == ("operator", operator.id, operator.email)


def test_a_slug_that_is_taken_stands_beside_the_form(staff, acme):
    answer = staff.post(address(Tenant, "add"), {"slug": "acme", "name": "Other", "owner_email": "x@y.example"})

    assert answer.status_code == 200
    assert "Another tenant has this slug." in answer.content.decode()
    assert Tenant.objects.count() == 1


def test_a_slug_that_cannot_be_is_refused_by_the_models_own_rule(staff):
    answer = staff.post(address(Tenant, "add"), {"slug": "Not OK", "name": "x", "owner_email": "x@y.example"})

    assert "Lower-case letters, digits and hyphens." in answer.content.decode()
    assert Tenant.objects.count() == 0


def test_a_suspended_tenants_key_opens_nothing_until_it_is_resumed(staff, acme):
    act(staff, acme.tenant, "suspend")
    assert acme.client.get(acme.path).status_code == 403
    assert last_event("tenant.suspended").actor_kind == "operator"

    act(staff, acme.tenant, "resume")
    assert acme.client.get(acme.path).status_code == 200


def test_a_tenants_share_is_set_by_operators_alone(staff, acme):
    page = address(Tenant, "change", acme.id)

    answer = staff.post(page, {"name": acme.tenant.name, "weight": "3", "max_in_flight": "2"})

    assert answer.status_code == 302
    acme.tenant.refresh_from_db()
    assert (acme.tenant.weight, acme.tenant.max_in_flight) == (3, 2)
    event = last_event("tenant.share_changed")
    assert (event.actor_kind, event.detail) == ("operator", {"fields": ["max_in_flight", "weight"]})
    assert acme.client.patch(acme.path, {"weight": 9}).json()["code"] == "unknown_field"


def test_a_weight_of_nothing_is_refused(staff, acme):
    answer = staff.post(address(Tenant, "change", acme.id), {"name": "acme", "weight": "0", "max_in_flight": ""})

    assert answer.status_code == 200
    assert not AuditEvent.unscoped.filter(action="tenant.share_changed").exists()


def test_only_the_fitting_act_is_offered(staff, acme):
    page = page_of(staff, Tenant, "change", acme.id)

    assert address(Tenant, "suspend", acme.id) in page
    assert address(Tenant, "resume", acme.id) not in page


def test_many_tenants_are_suspended_at_once(staff, acme, globex):
    body = {"action": "suspend_selected", "_selected_action": [str(acme.id), str(globex.id)]}

    answer = staff.post(address(Tenant, "changelist"), body, follow=True)

    assert set(Tenant.objects.values_list("state", flat=True)) == {"suspended"}
    assert "2 suspended." in answer.content.decode()


def test_a_tenant_is_renamed(staff, acme):
    staff.post(address(Tenant, "change", acme.id), {"name": "Acme & Sons", "weight": "1"})

    assert Tenant.objects.get().name == "Acme & Sons"
    assert last_event("tenant.changed") is not None


def test_an_operator_limits_a_tenant_and_its_people_can_see_but_not_lift_it(staff, acme):
    figures = {"requests_per_minute": 600, "tokens_per_minute": "", "concurrent_streams": 4}

    staff.post(address(Tenant, "change", acme.id), {"name": "Acme", "weight": 1, **figures})

    limits = {"requests_per_minute": 600, "tokens_per_minute": None, "concurrent_streams": 4}
    assert acme.client.get(acme.path).json()["rate_limits"] == limits
    assert last_event("tenant.limited").detail == {"fields": ["concurrent_streams", "requests_per_minute"]}
    assert acme.client.patch(acme.path, {"rate_limits": {"requests_per_minute": None}}).status_code == 400


def test_an_operator_limits_a_key(staff, acme):
    figures = {"requests_per_minute": "", "tokens_per_minute": 5000, "concurrent_streams": ""}

    staff.post(address(ApiKey, "change", acme.api_key.id), {"name": "owner key", "scopes": ["infer"], **figures})

    assert ApiKey.unscoped.get().tokens_per_minute == 5000
    assert last_event("api_key.changed").detail == {"fields": ["scopes", "tokens_per_minute"]}


def test_a_figure_that_cannot_be_stands_beside_the_form(staff, acme):
    answer = staff.post(address(Tenant, "change", acme.id), {"name": "Acme", "requests_per_minute": 0})

    assert "greater than or equal to 1" in answer.content.decode()
    assert Tenant.objects.get().requests_per_minute is None


def test_a_person_becomes_a_member(staff, acme):
    newcomer = make_user("new@acme.example")

    staff.post(address(Membership, "add"), {"tenant": acme.id, "user": newcomer.id, "role": "viewer"})

    assert Membership.unscoped.get(user=newcomer).role == "viewer"
    assert last_event("member.added").object_label == "new@acme.example"


def test_the_last_owner_keeps_the_role(staff, acme):
    membership = Membership.unscoped.get()

    answer = staff.post(address(Membership, "change", membership.pk), {"role": "viewer"})

    assert "A tenant must keep at least one owner." in answer.content.decode()
    assert Membership.unscoped.get().role == "owner"


def test_the_last_owner_is_not_removed_and_the_operator_reads_why(staff, acme):
    membership = Membership.unscoped.get()

    answer = act(staff, membership, "remove")

    assert answer["HX-Redirect"] == address(Membership, "change", membership.pk)
    assert "A tenant must keep at least one owner." in staff.get(answer["HX-Redirect"]).content.decode()


def test_a_member_is_removed(staff, acme):
    acme.person("viewer")
    viewer = Membership.unscoped.get(role="viewer")

    answer = act(staff, viewer, "remove")

    assert answer["HX-Redirect"] == address(Membership, "changelist")
    assert Membership.unscoped.count() == 1
    assert LogEntry.objects.get().object_id == str(viewer.pk)


def test_a_revoked_key_opens_nothing(staff, acme):
    assert acme.client.get(acme.path).status_code == 200

    act(staff, acme.api_key, "revoke")

    assert acme.client.get(acme.path).status_code == 401
    assert last_event("api_key.revoked").actor_kind == "operator"


def test_many_keys_are_revoked_at_once(staff, acme, globex):
    keys = [str(acme.api_key.pk), str(globex.api_key.pk)]

    staff.post(address(ApiKey, "changelist"), {"action": "revoke_selected", "_selected_action": keys})

    assert ApiKey.unscoped.filter(revoked_at=None).count() == 0


def test_a_keys_rights_are_narrowed_without_touching_its_other_limits(staff, acme):
    ApiKey.unscoped.update(allowed_models=["gpt-3.5-turbo"])

    staff.post(address(ApiKey, "change", acme.api_key.pk), {"name": "narrow", "scopes": ["infer"]})

    key = ApiKey.unscoped.get()
    assert (key.name, key.scopes, key.allowed_models) == ("narrow", ["infer"], ["gpt-3.5-turbo"])


def test_an_account_made_here_can_log_in(staff, settings):
    body = {"email": "New@Initech.example", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}

    staff.post(address(User, "add"), body)

    login = ApiClient().post("/_allauth/app/v1/auth/login", {"email": "new@initech.example", "password": PASSWORD})
    assert login.status_code == 200


def test_a_deactivated_person_is_let_in_nowhere_and_the_tenant_reads_it(staff, acme):
    key = acme.client_as("member")

    act(staff, User.objects.get(email="member@acme.example"), "deactivate")

    assert key.get(f"{acme.path}/providers").status_code in (401, 403)
    assert last_event("person.deactivated").tenant_id == acme.id


def test_operators_do_not_shut_themselves_out(staff, operator):
    answer = staff.post(address(User, "deactivate", operator.pk), {"_form_submitted": "on"})

    assert answer.status_code == 403
    assert User.objects.get().is_active


def test_the_history_of_a_row_is_its_audit_log(staff, acme):
    answer = staff.get(address(ApiKey, "history", acme.api_key.pk), follow=True)

    assert "api_key.created" in answer.content.decode()
    assert "tenant.created" not in answer.content.decode()


def test_the_history_of_a_tenant_is_all_that_happened_in_it(staff, acme, globex):
    page = staff.get(address(Tenant, "history", acme.id), follow=True).content.decode()

    assert "owner@acme.example" in page
    assert "owner@globex.example" not in page


def test_a_superuser_gives_a_person_a_new_password(staff, acme):
    body = {"password1": "another-horse-battery", "password2": "another-horse-battery", "usable_password": "true"}

    staff.post(f"/admin/tenants/user/{acme.owner.pk}/password/", body)

    login = {"email": acme.owner.email, "password": "another-horse-battery"}
    assert ApiClient().post("/_allauth/app/v1/auth/login", login).status_code == 200


def test_the_audit_log_is_filtered_by_tenant(staff, acme, globex):
    page = page_of(staff, AuditEvent, "changelist", tenant__id__exact=str(globex.id))

    assert "owner@globex.example" in page
    assert "owner@acme.example" not in page
