"""A provider's form, made from its kind's own schema. Secrets go in and are never shown again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from providers.admin.base import ProvidersForm
from providers.credentials import current_credential
from providers.kinds.base import Kind
from providers.models import Provider, SealedSecret
from providers.registration import change_provider, register_provider

CREDENTIAL, SETTING, CLEAR = "credentials__", "settings__", "__clear"


class ProviderForm(ProvidersForm):
    """`kind` and the fields of its schema are added by `form_for`."""

    kind: ClassVar[Kind]
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget())
    base_url = forms.CharField(label="Server URL", max_length=2048, widget=UnfoldAdminTextInputWidget())

    def secrets(self) -> dict[str, str | None]:
        """What was typed; None for a field to be cleared. A field left empty is not there: it keeps its value."""
        names = [field.name for field in self.kind.fields]
        given = {name: self.cleaned_data[CREDENTIAL + name] for name in names}
        cleared = {name: None for name in names if self.cleaned_data.get(CREDENTIAL + name + CLEAR)}
        return {**cleared, **{name: value for name, value in given.items() if value}}

    def settings_given(self) -> dict[str, Any]:
        return {name: _as_json(self.cleaned_data[SETTING + name]) for name in self.kind.settings_schema["properties"]}


class NewProviderForm(ProviderForm):
    def carry_out(self) -> Provider:
        values = self.cleaned_data
        return register_provider(
            tenant_id=values["tenant"].id,
            by=self.by,
            kind=self.kind.kind,
            name=values["name"],
            base_url=values["base_url"],
            credentials=self.secrets(),
            settings=self.settings_given(),
        )


class ChangeProviderForm(ProviderForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = {**self.kind.default_settings(), **self.instance.settings}
        for name, value in stored.items():
            self.initial[SETTING + name] = value

    def carry_out(self) -> Provider:
        given = self.settings_given()
        changes = self.changed("name", "base_url")
        settings = {name: value for name, value in given.items() if SETTING + name in self.changed_data}
        if settings:
            changes["settings"] = settings
        if secrets := self.secrets():
            changes["credentials"] = secrets
        return change_provider(self.row, by=self.by, changes=changes) if changes else self.instance


def form_for(kind: Kind, provider: Provider | None) -> type[ProviderForm]:
    """The form to add a provider of this kind, or to edit this one."""
    base = ChangeProviderForm if provider else NewProviderForm
    fields = {**_address_field(kind), **_secret_fields(kind, provider), **_setting_fields(kind)}
    return type("ProviderForm", (base,), {"kind": kind, **fields})


def secret_names(form: type[ProviderForm]) -> list[str]:
    return [name for name in form.declared_fields if name.startswith(CREDENTIAL)]


def setting_names(form: type[ProviderForm]) -> list[str]:
    return [name for name in form.declared_fields if name.startswith(SETTING)]


# --- Fields ---


def _address_field(kind: Kind) -> dict[str, forms.Field]:
    widget = UnfoldAdminTextInputWidget({"placeholder": kind.placeholder})
    return {
        "base_url": forms.CharField(label="Server URL", max_length=2048, widget=widget, help_text=kind.base_url_help)
    }


def _secret_fields(kind: Kind, provider: Provider | None) -> dict[str, forms.Field]:
    stored = {secret.field: secret for secret in _stored(provider)}
    fields: dict[str, forms.Field] = {}
    for field in kind.fields:
        secret = stored.get(field.name)
        fields[CREDENTIAL + field.name] = forms.CharField(
            label=field.label,
            required=field.required and secret is None,
            max_length=field.max_length,
            widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}, render_value=False),
            help_text=_said_of(secret, field.help),
        )
        if secret is not None and not field.required:
            fields[CREDENTIAL + field.name + CLEAR] = forms.BooleanField(
                label=f"Remove the stored {field.label}", required=False, widget=UnfoldBooleanSwitchWidget()
            )
    return fields


def _stored(provider: Provider | None) -> Iterable[SealedSecret]:
    credential = current_credential(provider) if provider else None
    return credential.secrets.all() if credential else []


def _said_of(secret: SealedSecret | None, help_text: str) -> str:
    if secret is None:
        return f"{help_text} Not set." if help_text else "Not set."
    since = secret.updated_at.strftime("%d %b %Y %H:%M UTC")
    return f"{help_text} Stored since {since}, fingerprint {secret.fingerprint}. Leave empty to keep it."


def _setting_fields(kind: Kind) -> dict[str, forms.Field]:
    properties = kind.settings_schema["properties"]
    return {SETTING + name: _field(schema) for name, schema in properties.items()}


def _field(schema: Mapping[str, Any]) -> forms.Field:
    """The input for one property; its bounds are judged by the verb, which names the field."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    facts: dict[str, Any] = {"label": schema["title"], "help_text": schema["description"], "initial": schema["default"]}
    if "boolean" in types:
        return forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget(), **facts)
    if "object" in types:
        return forms.JSONField(required=False, widget=UnfoldAdminTextareaWidget({"rows": 3}), **facts)
    number = forms.IntegerField if "integer" in types else forms.FloatField
    return number(required="null" not in types, widget=UnfoldAdminIntegerFieldWidget({"step": "any"}), **facts)


def _as_json(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
