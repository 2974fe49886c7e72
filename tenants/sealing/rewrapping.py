"""Put everything that the keyring wraps under its first key: data keys, and texts that belong to no tenant.

What the data keys seal is not touched. Run it once every process has the new key in its keyring; when nothing lies
under the old one any more, that one can be taken out.
"""

from __future__ import annotations

from django.db import models, transaction

from tenants.models import Tenant, TenantKey
from tenants.sealing.data_keys import wrapping_context
from tenants.sealing.keyring import Keyring, KeyringError, keyring, verify_key
from tenants.sealing.platform import key_id_of, resealed, texts_in
from tenants.sealing.progress import Report, Tally
from tenants.sealing.registry import SealedTexts, sealed_texts
from tenants.sealing.sealing import Undecryptable

BATCH = 500


def rewrap_under_first_key(tenant: Tenant | None, *, report: Report) -> Tally:
    """Rewrap the data keys of `tenant` (None: of all, and the texts too). Done twice, it changes nothing more.

    Raises KeyringError when the first key is not the one this database knows under its id.
    """
    ring = keyring()
    verify_key(ring, ring.active_id)
    tally = Tally()
    _rewrap_data_keys(ring, tenant, tally, report)
    if tenant is None:
        for texts in sealed_texts.values():
            _reseal_texts(ring, texts, tally, report)
    return tally


def _rewrap_data_keys(ring: Keyring, tenant: Tenant | None, tally: Tally, report: Report) -> None:
    keys = TenantKey.unscoped.all() if tenant is None else TenantKey.objects.for_tenant(tenant)
    behind = keys.exclude(kek_id=ring.active_id).order_by("pk")
    batch = list(behind[:BATCH])
    while batch:
        for row in batch:
            _rewrap(ring, row, tally)
        report(tally, "data keys")
        batch = list(behind.filter(pk__gt=batch[-1].pk)[:BATCH])


def _rewrap(ring: Keyring, row: TenantKey, tally: Tally) -> None:
    context, old = wrapping_context(row.tenant_id, row.version), bytes(row.wrapped)
    try:
        key = ring.unwrap(row.kek_id, old, context)
    except KeyringError:
        tally.unreadable += 1
        return
    same = TenantKey.objects.for_tenant(row.tenant_id).filter(pk=row.pk, kek_id=row.kek_id, wrapped=old)
    tally.moved += same.update(kek_id=ring.active_id, wrapped=ring.wrap(ring.active_id, key, context))


def _reseal_texts(ring: Keyring, texts: SealedTexts, tally: Tally, report: Report) -> None:
    values = texts.rows().order_by("pk").values_list("pk", texts.field)
    behind = [pk for pk, value in values if any(key_id_of(text) != ring.active_id for text in texts_in(value))]
    for pk in behind:
        _reseal(texts, pk, tally)
    report(tally, texts.name)


def _reseal(texts: SealedTexts, pk: object, tally: Tally) -> None:
    """Under a lock: whoever writes the row meanwhile waits, and then writes what he has."""
    with transaction.atomic():
        row: models.Model | None = texts.rows().select_for_update().filter(pk=pk).first()
        if row is None:
            return
        try:
            setattr(row, texts.field, resealed(getattr(row, texts.field), texts.purpose))
        except Undecryptable:
            tally.unreadable += 1
            return
        row.save(update_fields=[texts.field])
        tally.moved += 1
