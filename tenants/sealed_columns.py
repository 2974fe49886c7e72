"""What this app holds sealed, for rotation."""

from __future__ import annotations

from allauth.mfa.models import Authenticator

from tenants import audit_chain
from tenants.accounts import MFA_PURPOSE
from tenants.idempotency import answer_place
from tenants.models import AuditHead, IdempotencyRecord, KeyringCanary, TenantKey
from tenants.sealing.registry import SealedColumn, SealedTexts, register_column, register_texts, register_wrapped

register_wrapped(TenantKey, "wrapped")
register_wrapped(KeyringCanary, "sealed")
register_column(
    SealedColumn(IdempotencyRecord, "answer", place=lambda record: answer_place(record.tenant_id, record.pk))
)
register_texts(SealedTexts(Authenticator, "data", purpose=MFA_PURPOSE))
register_texts(SealedTexts(AuditHead, "key", purpose=audit_chain.PURPOSE))
