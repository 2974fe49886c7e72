"""Acts on one row, such as "Suspend": a button above the form, a dialog that explains, then the verb by POST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from tenants.admin.base import VerbAdmin, onward
from tenants.admin.links import list_address, page_address
from tenants.admin.refusals import sentence

Act = Callable[..., Any]


@dataclass(frozen=True)
class Gone:
    """After the act the row is no more: the operator reads the message on the list."""

    message: str


@dataclass(frozen=True)
class Onward:
    """The act leads to another page, which speaks for itself."""

    address: str


Outcome = str | Gone | Onward  # a plain message is shown on the row's own page


def act(
    label: str,
    *,
    right: str,
    explains: str,
    icon: str,
    variant: ActionVariant = ActionVariant.DEFAULT,
    form_class: type[BaseDialogForm] = BaseDialogForm,
) -> Callable[[Act], Any]:
    """Make `method(self, request, row, form)` an act. It calls the verb and returns an `Outcome`.

    `right` names the page's `has_<right>_permission(request, object_id)`: who may do it, and to which rows.
    """
    dialog = ActionDialog(title=label, description=explains, form_class=form_class, form_submit_text=label)

    def decorate(method: Act) -> Any:
        @wraps(method)
        def run(self: VerbAdmin, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
            row = self.row(object_id)
            if row is None:
                raise Http404
            return _carry_out(self, request, row, label, lambda: method(self, request, row, form))

        return action(description=label, icon=icon, variant=variant, permissions=[right], dialog=dialog)(run)

    return decorate


def _carry_out(
    page: VerbAdmin, request: HttpRequest, row: Any, label: str, verb: Callable[[], Outcome]
) -> HttpResponse:
    name, pk = str(row), row.pk
    try:
        with transaction.atomic():
            outcome = verb()
    except page.refusals as refusal:
        messages.error(request, sentence(refusal))
        return onward(request, page_address(row))
    row.pk = pk  # Django forgets it when the row has gone
    page.log_change(request, row, f"{label}: {name}")
    if isinstance(outcome, Onward):
        return onward(request, outcome.address)
    messages.success(request, outcome.message if isinstance(outcome, Gone) else outcome)
    return onward(request, list_address(page.model) if isinstance(outcome, Gone) else page_address(row))
