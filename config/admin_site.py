"""The operators' admin: unfold's site with our login (which asks for the second factor) and our dashboard."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.apps import AdminConfig
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


class OperatorsAdminConfig(AdminConfig):
    default_site = "config.admin_site.OperatorsSite"
