"""Every page opens for an operator, within the rights they hold, and for nobody else."""

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from providers.models import Job, Provider
from tenants.admin.base import VerbForm
from tenants.models import Tenant, User
from tests.admin.conftest import SHOWN, address, browser_of, may_add, page_of, registered, staff_member

by_name = pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)


def test_nothing_is_shown_that_is_not_listed_here():
    assert registered() == {model.__name__ for model in SHOWN} | {"Group", "LogEntry"}


@by_name
def test_the_list_opens(staff, stock, model):
    assert "</table>" in page_of(staff, model, "changelist")


@by_name
def test_the_row_opens(staff, stock, model):
    assert str(stock[model]) in page_of(staff, model, "change", stock[model].pk)


@pytest.mark.parametrize("model", [model for model in SHOWN if may_add(model)], ids=lambda model: model.__name__)
def test_the_form_to_add_one_opens(staff, stock, model):
    assert "<form" in page_of(staff, model, "add")


@pytest.mark.parametrize("model", [model for model in SHOWN if not may_add(model)], ids=lambda model: model.__name__)
def test_what_only_verbs_write_has_no_form_to_add_one(staff, stock, model):
    assert staff.get(address(model, "add")).status_code == 403


@by_name
def test_the_list_can_be_searched(staff, stock, model):
    assert staff.get(address(model, "changelist"), {"q": "acme"}).status_code == 200


@by_name
def test_a_visitor_is_sent_to_the_login(stock, model):
    answer = Client().get(address(model, "change", stock[model].pk))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@by_name
def test_an_owner_of_a_tenant_is_no_operator(acme, stock, model):
    assert browser_of(acme.owner).get(address(model, "changelist")).status_code == 302


@by_name
def test_an_operator_without_the_right_sees_nothing_of_it(stock, model):
    other = "providers.view_provider" if model is not Provider else "tenants.view_tenant"

    assert staff_member(other).get(address(model, "changelist")).status_code == 403


def test_who_may_only_look_gets_no_form_and_no_acts(stock):
    page = page_of(staff_member("providers.view_provider"), Provider, "change", stock[Provider].pk)

    assert "gpu-box" in page
    assert 'name="base_url"' not in page
    assert "Validate now" not in page


def test_who_may_only_look_cannot_act(stock):
    looker = staff_member("providers.view_provider", "providers.view_job")

    assert looker.post(address(Provider, "disable", stock[Provider].pk), {"_form_submitted": "on"}).status_code == 403
    assert looker.post(address(Job, "cancel", stock[Job].pk), {"_form_submitted": "on"}).status_code == 403


def test_a_malformed_id_leads_back_to_the_list(staff):
    assert staff.get(address(Provider, "change", "no-such-id")).status_code == 302


def request_of_a_superuser():
    request = RequestFactory().get("/", {"kind": "localai"})
    request.user = User.objects.get(is_superuser=True)
    return request


@pytest.mark.parametrize(
    "model", [model for model in SHOWN if may_add(model) and model is not User], ids=lambda model: model.__name__
)
def test_what_a_form_says_is_written_by_a_verb(operator, stock, model):
    page = admin.site.get_model_admin(model)

    forms = [page.get_form(request_of_a_superuser(), row, change=bool(row)) for row in (None, stock[model])]

    assert [issubclass(form, VerbForm) for form in forms] == [True, True]


@by_name
def test_nothing_is_deleted_behind_the_verbs_back(operator, model):
    assert not admin.site.get_model_admin(model).has_delete_permission(request_of_a_superuser())


@pytest.mark.parametrize("model", [model for model in SHOWN if not may_add(model)], ids=lambda model: model.__name__)
def test_what_only_verbs_write_is_not_edited(operator, model):
    assert not admin.site.get_model_admin(model).has_change_permission(request_of_a_superuser())


def test_the_pages_of_an_app_and_the_search_open(staff, stock):
    assert staff.get("/admin/providers/").status_code == 200
    assert staff.get("/admin/tenants/").status_code == 200
    assert "Providers" in staff.get("/admin/search/", {"s": "prov"}).content.decode()


def test_an_act_needs_a_post(staff, stock):
    staff.get(address(Tenant, "suspend", stock[Tenant].pk))

    assert Tenant.objects.get().state == "active"


def test_a_foreign_page_cannot_make_an_operator_act(operator, stock):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(operator)

    answer = careful.post(address(Tenant, "suspend", stock[Tenant].pk), {"_form_submitted": "on"})

    assert answer.status_code == 403
    assert Tenant.objects.get().state == "active"


def test_the_dashboard_opens_with_what_the_operator_may_view(stock):
    page = staff_member("providers.view_provider").get(reverse("admin:index")).content.decode()

    assert "Providers by state" in page
    assert "Recent jobs" not in page


def test_nobody_below_a_superuser_touches_a_superuser(operator, stock):
    junior = staff_member("tenants.view_user", "tenants.change_user")

    assert junior.get(f"/admin/tenants/user/{operator.pk}/password/").status_code == 403
    assert junior.post(address(User, "deactivate", operator.pk), {"_form_submitted": "on"}).status_code == 403
    assert 'name="is_superuser"' not in page_of(junior, User, "change", stock[User].pk)
