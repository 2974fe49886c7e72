"""Filters on tenant-owned rows, whose plain manager refuses to answer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm


class _OwnedForm(AutocompleteDropdownForm):
    """unfold's form asks `model.objects`, which is the tenant door."""

    def __init__(self, request: Any, name: str, label: str, field: Any, model_admin: Any, **kwargs: Any) -> None:
        forms.Form.__init__(self, data=kwargs.get("data"))
        self.fields[name] = forms.ModelChoiceField(
            label=label,
            required=False,
            queryset=field.remote_field.model._meta.base_manager.all(),
            widget=AutocompleteSelect(field, model_admin.admin_site, attrs={"class": "unfold-filter-autocomplete"}),
        )


class OwnedFilter(AutocompleteSelectFilter):
    """`AutocompleteSelectFilter` for a relation to a tenant-owned model."""

    form_class = _OwnedForm
