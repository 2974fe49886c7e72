"""What operators may do (Django's groups), and what they did: the log of this admin, over all tenants."""

from __future__ import annotations

from typing import Any

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401 # both register their pages when they are imported: not after what is below
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from tenants.admin.base import LookOnly

# allauth's own pages would show second factors' secrets, and change accounts beside the log.
admin.site.unregister([Group, EmailAddress, Authenticator])


@admin.register(Group)
class RoleAdmin(ModelAdmin, DjangoGroupAdmin):
    list_display = ("name",)
    filter_horizontal = ("permissions",)


@admin.register(LogEntry)
class LogEntryAdmin(LookOnly, ModelAdmin):
    list_display = ("action_time", "user", "content_type", "shown_object", "what")
    list_filter = (("action_time", RangeDateTimeFilter), "content_type")
    list_filter_submit = True
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__email")
    search_help_text = "Object, act or operator"
    fields = ("action_time", "user", "content_type", "object_repr", "object_id", "what")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Object", ordering="object_repr")
    def shown_object(self, entry: LogEntry) -> str:
        url = entry.get_admin_url()
        return format_html('<a href="{}">{}</a>', url, entry.object_repr) if url else entry.object_repr

    @display(description="What")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message()
