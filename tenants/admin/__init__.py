from tenants.admin import api_key, audit, membership, operators, tenant, user

__all__ = ["api_key", "audit", "membership", "operators", "tenant", "user"]
