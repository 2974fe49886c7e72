"""Operators' pages that write nothing themselves: each change goes through the verb that the API uses too.

So every change is audited, sealed and announced by the same code, and a verb's refusal becomes a form error or a
message, never a 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.forms.models import construct_instance
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from unfold.admin import ModelAdmin

from tenants.actors import Actor, operator
from tenants.admin.links import list_address
from tenants.admin.refusals import faults_of, field_named, sentence
from tenants.models import AuditEvent, User
from tenants.problems import Problem
from tenants.scope import TenantScoped

Refusals = tuple[type[Exception], ...]
MAX_REFUSALS_SHOWN = 5  # of an act on many rows


class VerbForm(forms.ModelForm):
    """A form whose last check is the verb itself: when all else is in order it runs, and its refusal is shown here."""

    request: ClassVar[HttpRequest]
    refusals: ClassVar[Refusals] = (Problem,)

    @property
    def by(self) -> Actor:
        return acting(self.request)

    @property
    def row(self) -> Any:
        """A copy of the row for the verb to change: the page goes on showing what is stored."""
        return copy(self.instance)

    def carry_out(self) -> models.Model:
        """Call the verb with `cleaned_data` and return the row. May raise what `refusals` names."""
        raise NotImplementedError

    def changed(self, *names: str) -> dict[str, Any]:
        """The cleaned values of those of the `names` that the operator has changed."""
        return {name: self.cleaned_data[name] for name in names if name in self.changed_data}

    def _post_clean(self) -> None:
        self._check_columns()
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.instance = self.carry_out()
        except self.refusals as refusal:
            for fault in faults_of(refusal):
                self._show(fault.field, fault.message)

    def _check_columns(self) -> None:
        """The model's own rules for columns whose inputs are made from it, such as a slug's pattern."""
        made = set(self.cleaned_data) - set(self.declared_fields)
        shown = [name for name in self._meta.fields or () if name in made]
        row = construct_instance(self, self.row, shown)
        others = {field.name for field in row._meta.fields} - set(shown)
        try:
            row.clean_fields(exclude=others | set(self.errors))
        except ValidationError as faults:
            self.add_error(None, faults)

    def _show(self, path: str, message: str) -> None:
        name = field_named(path, self.fields)
        self.add_error(name, message if name or not path else f"{path}: {message}")


class VerbAdmin(ModelAdmin):
    """A model's pages on top of verbs. Rows leave through acts of the page, never through Django's own deletion."""

    refusals: ClassVar[Refusals] = (Problem,)
    list_per_page = 50
    list_filter_submit = True
    actions_on_bottom = False

    # --- Rights: Django's own permissions of the model ---

    def may(self, request: HttpRequest, deed: str) -> bool:
        """True where the operator holds the model's `view`, `add`, `change` or `delete` permission."""
        return request.user.has_perm(f"{self.opts.app_label}.{deed}_{self.opts.model_name}")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The right to acts that end a row (revoke, remove, withdraw): the model's `delete` permission."""
        return self.may(request, "delete")

    # --- Writing: the form has done it ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"request": request}) if issubclass(form, VerbForm) else form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing is left to save."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing is left to save."""

    # --- Acts ---

    def row(self, object_id: str | None) -> Any:
        """The row of this id, or None; a malformed id names no row."""
        try:
            return self.model._meta.default_manager.filter(pk=unquote(str(object_id))).first()
        except (ValidationError, ValueError):
            return None

    def row_is(self, object_id: str | None, *states: str) -> bool:
        """Whether the row is in one of the states; True where no row is named: then only the right is asked for."""
        return object_id is None or getattr(self.row(object_id), "state", None) in states

    def each(self, request: HttpRequest, rows: Iterable[Any], verb: Callable[[Any], object], past: str) -> None:
        """Do the verb to every row; tell how many it took to (`past`: "revoked") and why the others refused."""
        refused: list[str] = []
        done = 0
        for row in rows:
            try:
                with transaction.atomic():
                    verb(row)
            except self.refusals as refusal:
                refused.append(f"{row}: {sentence(refusal)}")
            else:
                done += 1
                self.log_change(request, row, past.capitalize() + ".")
        if done:
            messages.success(request, f"{done} {past}.")
        for text in refused[:MAX_REFUSALS_SHOWN]:
            messages.error(request, text)

    # --- Where to go ---

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A tenant-owned object's history is its audit log, where the operator may read that."""
        is_owned = issubclass(self.model, TenantScoped)
        if not (is_owned and request.user.has_perm("tenants.view_auditevent")):
            return super().history_view(request, object_id, extra_context)
        return redirect(list_address(AuditEvent, object_id=unquote(object_id)))


class LookOnly:
    """A page to read: nothing is added or changed here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def acting(request: HttpRequest) -> Actor:
    """The operator who asks, as the verbs take it: `by=`."""
    return operator(cast(User, request.user))


def onward(request: HttpRequest, url: str) -> HttpResponse:
    """Send the browser to `url`, also where the form stood in a dialog, which htmx posts."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
