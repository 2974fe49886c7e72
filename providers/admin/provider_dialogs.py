"""What the acts on a provider ask, and what they show before they are done."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.http import HttpRequest
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminRadioSelectWidget

from providers.model_imports import import_models
from providers.models import Provider, ValidationRun
from providers.registration import impact_of
from tenants.admin.base import acting
from tenants.problems import Problem

LEVELS: Final = {
    ValidationRun.Level.CONNECT: "Connect: address policy, name, TCP, TLS",
    ValidationRun.Level.AUTH: "Auth: and which server it is, is the key accepted",
    ValidationRun.Level.MODELS: "Models: and which models it lists",
    ValidationRun.Level.INFER: "Infer: and one small real call for each type",
}


class LevelForm(BaseDialogForm):
    level = forms.ChoiceField(
        choices=list(LEVELS.items()), initial=ValidationRun.Level.MODELS, widget=UnfoldAdminRadioSelectWidget()
    )


class RemovalForm(BaseDialogForm):
    """Shows what goes with the provider."""

    form_before_template = "operators/impact.html"

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        provider = _provider(object_id)
        return {"impact": impact_of(provider) if provider else {}}


class ImportForm(BaseDialogForm):
    """Shows what an import would make of the last listing, and what it would leave out."""

    form_before_template = "operators/import_preview.html"

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        provider = _provider(object_id)
        if provider is None:
            return {}
        try:
            return {"preview": import_models(provider, by=acting(request), models=None, dry_run=True)}
        except Problem as problem:
            return {"problem": problem}


def _provider(object_id: Any) -> Provider | None:
    return Provider.unscoped.filter(pk=object_id).first()
