"""The operators' admin: unfold's site with our login (which asks for the second factor) and our dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.http import HttpRequest, HttpResponse
from unfold.sites import UnfoldAdminSite


class OperatorsSite(UnfoldAdminSite):
    site_title = site_header = "Modelyard"
    index_title = "Dashboard"
    index_template = "operators/dashboard.html"
    login_template = "operators/login.html"

    def has_permission(self, request: HttpRequest) -> bool:
        from config.admin_login import has_proven_enough  # allauth's models are not there yet when this is imported

        return bool(super().has_permission(request)) and has_proven_enough(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from config.admin_login import remember_second_factor

        response: HttpResponse = super().login(request, extra_context)
        remember_second_factor(request)
        return response


class OperatorsAdminConfig(SimpleAdminConfig):
    """The pages are found with the URLs (config/urls.py): a worker needs neither, and starts sooner without them."""

    default_site = "config.admin_site.OperatorsSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """What Django checks of an admin, once there are pages: of a site without any it finds nothing."""
    admin.autodiscover()
    return list(check_admin_app(app_configs, **kwargs))
