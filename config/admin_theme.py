"""How the operators' admin looks: the `UNFOLD` setting. Only its own static files, so no request leaves the site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.module_loading import import_string

# Tailwind's teal, as unfold wants it: weight -> colour.
PRIMARY = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(77.7% .152 181.912)",
    "500": "oklch(66% .125 182.503)",
    "600": "oklch(54% .1 184.704)",
    "700": "oklch(47% .088 186.391)",
    "800": "oklch(40.7% .072 188.216)",
    "900": "oklch(36.6% .059 188.416)",
    "950": "oklch(25.7% .046 192.524)",
}


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, name = model.split(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


def _page(title: str, icon: str, model: str, **more: Any) -> dict[str, Any]:
    link = reverse_lazy(f"admin:{model.replace('.', '_')}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": _may_view(model), **more}


NAVIGATION: list[dict[str, Any]] = [
    {"items": [{"title": "Dashboard", "icon": "dashboard", "link": reverse_lazy("admin:index")}]},
    {
        "title": "Tenants",
        "items": [
            _page("Tenants", "apartment", "tenants.tenant"),
            _page("Memberships", "badge", "tenants.membership"),
            _page("API keys", "key", "tenants.apikey"),
            _page("Audit log", "history", "tenants.auditevent"),
        ],
    },
    {
        "title": "Providers",
        "items": [
            _page("Providers", "dns", "providers.provider", badge="providers.admin.badges.failing_providers"),
            _page("Credentials", "lock", "providers.credential"),
            _page("Validation runs", "rule", "providers.validationrun"),
            _page("Model entries", "deployed_code", "providers.modelentry"),
            _page("Default models", "star", "providers.defaultmodel"),
        ],
    },
    {
        "title": "Work",
        "items": [
            _page("Jobs", "bolt", "providers.job", badge="providers.admin.badges.open_jobs", badge_variant="info"),
            _page("Usage", "bar_chart", "providers.usagerecord"),
        ],
    },
    {
        "title": "Platform",
        "items": [
            _page("Egress grants", "vpn_lock", "providers.egressgrant"),
            _page("People", "person", "tenants.user"),
            _page("Operator roles", "admin_panel_settings", "auth.group"),
            _page("Operators' acts", "manage_history", "admin.logentry"),
        ],
    },
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, with today's numbers beside what the operator may see."""
    return [{**group, "items": [_with_number(item, request) for item in group["items"]]} for group in NAVIGATION]


def _with_number(item: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    if "badge" not in item or not item["permission"](request):
        return {**item, "badge": 0}
    return {**item, "badge": import_string(item["badge"])()}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Modelyard",
    "SITE_HEADER": "Modelyard",
    "SITE_SUBHEADER": "Operators",
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("operators/favicon.svg")}
    ],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "COLORS": {"primary": PRIMARY},
    "BORDER_RADIUS": "8px",
    "LOGIN": {"form": "config.admin_login.OperatorLoginForm"},
    "STYLES": [lambda request: static("operators/operators.css")],
    "DASHBOARD_CALLBACK": "providers.admin.dashboard.dashboard",
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": navigation},
}
