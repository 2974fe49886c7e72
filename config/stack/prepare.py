"""Before the first request: the database's tables, the operator, a tenant and its key. Safe to run again.

    ADMIN_PASSWORD=… TENANT_KEY=… python -m config.stack.prepare

Prints `{"api_key", "is_new"}`: the key that was given where it still opens the tenant, else a new one.
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command

from config.stack.state import ADMIN_EMAIL, TENANT
from tenants import authentication, keys, registration
from tenants.actors import SYSTEM
from tenants.models import Tenant, User
from tenants.problems import Problem


def main() -> None:
    call_command("migrate", interactive=False, verbosity=0, stdout=sys.stderr)
    _operator(os.environ["ADMIN_PASSWORD"])
    tenant = Tenant.objects.filter(slug=TENANT).first()
    if tenant is None:
        tenant = registration.create_tenant(TENANT, "Demo", ADMIN_EMAIL, by=SYSTEM)
    given = os.environ["TENANT_KEY"]
    is_new = not _opens(given, tenant)
    key = keys.create_owner_key(tenant_id=tenant.id, name="bin/up", by=SYSTEM)[1] if is_new else given
    print(json.dumps({"api_key": key, "is_new": is_new}))


def _operator(password: str) -> None:
    """Staff of this installation, and owner of the tenant: one person with one machine."""
    operator = User.objects.filter(email=ADMIN_EMAIL).first()
    if operator is None:
        User.objects.create_superuser(ADMIN_EMAIL, password)
    elif not operator.check_password(password):  # another state folder over the same database
        operator.set_password(password)
        operator.save(update_fields=["password"])


def _opens(key: str, tenant: Tenant) -> bool:
    if not key:
        return False
    try:
        principal = authentication.identify({"authorization": f"Bearer {key}"}, {}, None)
        return principal is not None and authentication.caller_of_key(principal).tenant_id == tenant.id
    except Problem:
        return False


if __name__ == "__main__":
    main()
