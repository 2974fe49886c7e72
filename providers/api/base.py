"""What the views of this app share: errors of providers as problems, rows of the caller's tenant, query filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request

from providers.errors import FormRefused, ProviderError
from providers.locks import locked
from providers.models import Provider
from tenants.api.base import TenantView
from tenants.api.pages import bad_parameter
from tenants.api.problems import translate
from tenants.problems import FieldError, Problem


def as_problem(error: ProviderError) -> Problem:
    """The control plane's answer to an error of a verb or a leaf."""
    errors = [FieldError(error.field, error.code, error.message)] if isinstance(error, FormRefused) else []
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    return Problem(error.code, error.message, errors=errors, headers=headers)


translate(ProviderError, as_problem)


class ProvidersView(TenantView):
    """A view of providers, or of what belongs to them.

    `beside_django` names the methods of its address that the gateway answers.
    """

    beside_django: ClassVar[tuple[str, ...]] = ()

    @property
    def default_response_headers(self) -> dict[str, str]:
        """`Allow` of a 405 names what the address takes, wherever it is answered."""
        allowed = ", ".join([*self.allowed_methods, *self.beside_django])
        return {**super().default_response_headers, "Allow": allowed}

    @property
    def tenant(self) -> UUID:
        return self.caller.tenant_id

    def provider(self, provider_id: str) -> Provider:
        """The tenant's provider of this id. Raises Problem `not_found`."""
        rows: QuerySet[Provider] = Provider.objects.for_tenant(self.tenant)
        return self.get_or_404(rows, provider_id)

    @contextmanager
    def changing(self, provider_id: str) -> Iterator[Provider]:
        """The same, held until the change is committed: so nobody comes between `If-Match` and the change."""
        row = self.provider(provider_id)
        with locked(row):
            yield row

    def at(self, name: str, **ids: object) -> str:
        """The path of a view of this tenant."""
        return reverse(name, kwargs={"tenant": self.caller.tenant_slug, **{key: str(id) for key, id in ids.items()}})


# --- Filters ---


def by_choice(rows: QuerySet[Any], request: Request, name: str, choices: Sequence[str]) -> QuerySet[Any]:
    """`?name=a,b`: rows whose column is one of these. Raises Problem `invalid_parameter` for a value never there."""
    text = request.query_params.get(name)
    if text is None:
        return rows
    wanted = [value.strip() for value in text.split(",")]
    if not set(wanted) <= set(choices):
        raise bad_parameter(name, f"This must be one or more of: {', '.join(choices)}.")
    return rows.filter(**{f"{name}__in": wanted})


def by_flag(rows: QuerySet[Any], request: Request, name: str) -> QuerySet[Any]:
    """`?name=true|false`."""
    text = request.query_params.get(name)
    if text is None:
        return rows
    if text not in ("true", "false"):
        raise bad_parameter(name, "This must be true or false.")
    return rows.filter(**{name: text == "true"})


def by_id(rows: QuerySet[Any], request: Request, name: str) -> QuerySet[Any]:
    """`?name=<id>`: rows that point at this one; none for an id that is not there."""
    text = request.query_params.get(name)
    if text is None:
        return rows
    try:
        return rows.filter(**{f"{name}_id": UUID(text)})
    except ValueError:
        raise bad_parameter(name, "This must be an id.") from None


def by_text(rows: QuerySet[Any], request: Request, parameter: str, column: str) -> QuerySet[Any]:
    """`?parameter=text`: rows whose column holds the text, whatever its case."""
    text = request.query_params.get(parameter)
    if text is None:
        return rows
    if "\x00" in text or len(text) > 255:
        raise bad_parameter(parameter, "This must be at most 255 characters without NUL.")
    return rows.filter(**{f"{column}__icontains": text})
