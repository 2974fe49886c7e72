"""A panel above a row's facts that renews itself while the row is still moving: a run's steps, a job's state.

Server-rendered: htmx fetches the same fragment again, so no script of ours and no inline script is needed.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse

from tenants.admin.base import VerbAdmin


class PanelAdmin(VerbAdmin):
    """Shows `panel_template` with `panel(row)` on the row's page, again every second while `is_moving(row)`."""

    panel_template: str
    change_form_outer_before_template = "operators/panel.html"

    def panel(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError

    def is_moving(self, row: Any) -> bool:
        return False

    def get_urls(self) -> Any:
        name = f"{self.opts.app_label}_{self.opts.model_name}_panel"
        view = self.admin_site.admin_view(self.panel_view)
        return [path("<path:object_id>/panel/", view, name=name), *super().get_urls()]

    def panel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.row(object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        response = render(request, "operators/panel.html", self._panel_context(request, row))
        if not self.is_moving(row):
            response["HX-Refresh"] = "true"  # the acts above and the facts below have changed as well
        return response

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.row(object_id)
        extra = kwargs.pop("extra_context", None) or {}
        if row is not None and self.has_view_permission(request, row):
            extra = {**extra, **self._panel_context(request, row)}
        return super().change_view(request, object_id, *args, extra_context=extra, **kwargs)

    def _panel_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_panel"
        return {
            "panel_template": self.panel_template,
            "panel_url": reverse(name, args=[row.pk]) if self.is_moving(row) else "",
            "panel": self.panel(request, row),
        }
