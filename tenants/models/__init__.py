from tenants.models.api_key import ApiKey
from tenants.models.audit_event import AuditEvent, AuditHead
from tenants.models.deletion_receipt import DeletionReceipt
from tenants.models.idempotency_record import IdempotencyRecord
from tenants.models.invitation import Invitation
from tenants.models.key_rotation import KeyRotation
from tenants.models.membership import Membership, Role
from tenants.models.tenant import Tenant
from tenants.models.tenant_key import KeyringCanary, TenantKey
from tenants.models.user import User

__all__ = [
    "ApiKey",
    "AuditEvent",
    "AuditHead",
    "DeletionReceipt",
    "IdempotencyRecord",
    "Invitation",
    "KeyRotation",
    "KeyringCanary",
    "Membership",
    "Role",
    "Tenant",
    "TenantKey",
    "User",
]
