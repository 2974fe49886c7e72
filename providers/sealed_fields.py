"""The secret fields of a credential: written sealed, shown as facts about them, never read here.

Only `providers.routing` opens them, with the same `sealed_context`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db.models import QuerySet

from providers.forms import kind_named, secret_faults
from providers.models import Credential, SealedSecret
from providers.upstream.egress import origin_of
from tenants.problems import FieldError, Problem
from tenants.sealing import Context, fingerprint, seal

SHORTEST_SHOWN_CHARS: Final = 20  # of a shorter secret, four characters would give too much away

Fields = Mapping[str, str | None]  # field -> new value, or None to clear it


def sealed_context(credential: Credential, field: str, origin: str) -> Context:
    """Where a sealed field belongs: this credential's row, this field, this server."""
    return Context(credential.tenant_id, SealedSecret._meta.db_table, credential.id, field, origin)


def secret_place(secret: SealedSecret) -> Context:
    """What a stored secret's blob is sealed to."""
    table = SealedSecret._meta.db_table
    return Context(secret.tenant_id, table, secret.credential_id, secret.field, secret.origin)


def write_fields(credential: Credential, fields: Fields, *, base_url: str) -> None:
    """Seal, replace or remove the named fields; the others stay. Each seal is bound to the address's origin."""
    origin = origin_of(base_url)
    for name, value in fields.items():
        if value is None:
            secrets_of(credential).filter(field=name).delete()
            continue
        facts = {
            "origin": origin,
            "blob": seal(value.encode(), sealed_context(credential, name, origin)),
            "last4": value[-4:] if len(value) >= SHORTEST_SHOWN_CHARS else None,
            "fingerprint": fingerprint(credential.tenant_id, value),
        }
        secrets_of(credential).update_or_create(
            tenant_id=credential.tenant_id, credential=credential, field=name, defaults=facts
        )


def wipe_fields(credential: Credential) -> None:
    secrets_of(credential).delete()


def fields_set(credential: Credential | None) -> set[str]:
    return set(secrets_of(credential).values_list("field", flat=True)) if credential else set()


def field_faults(kind: str, credential: Credential | None, fields: Fields, *, path: str) -> list[FieldError]:
    """What is wrong with these changes to a credential (None: there is none yet)."""
    given = {name for name, value in fields.items() if value is not None}
    complete = (fields_set(credential) - set(fields)) | given
    return secret_faults(kind_named(kind), fields, complete=complete, path=path)


def missing_for_new_origin(credential: Credential | None, fields: Fields, origin: str) -> list[str]:
    """The set fields that were sealed for another origin and are not among the new values."""
    if credential is None:
        return []
    elsewhere = secrets_of(credential).exclude(origin=origin).values_list("field", flat=True)
    return sorted(set(elsewhere) - set(fields))


def refuse_other_origin(missing: list[str], *, path: str) -> None:
    if missing:
        code = "credentials_required_for_new_origin"
        raise Problem(code, errors=[FieldError(f"{path}.{name}", code, "Send it anew, or null.") for name in missing])


def secrets_of(credential: Credential) -> QuerySet[SealedSecret]:
    return SealedSecret.objects.for_tenant(credential.tenant_id).filter(credential_id=credential.id)
