"""From one operators' page to another."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils.html import format_html


def page_address(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link_to(row: models.Model | None, text: str = "") -> str:
    """The row's name, leading to its page; a dash for none."""
    if row is None:
        return "-"
    return format_html('<a href="{}" class="text-link">{}</a>', page_address(row), text or str(row))


def list_address(model: type[models.Model], **filters: object) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return reverse(name, query={key: str(value) for key, value in filters.items()})
