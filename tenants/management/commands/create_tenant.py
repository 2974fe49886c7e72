"""`create_tenant SLUG`: a tenant and its first key, as one line of JSON for scripts."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from tenants.actors import SYSTEM
from tenants.keys import create_owner_key
from tenants.models.tenant import SLUG_PATTERN
from tenants.problems import Problem
from tenants.registration import create_tenant


class Command(BaseCommand):
    help = (
        "Make a tenant and a key with every scope that acts as its owner and does not expire. The last line of "
        'stdout is JSON: {"tenant", "api_key"}. The key is shown this once.'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="Lower-case letters, digits and hyphens; part of every address.")
        parser.add_argument("--name", default="", help="What people read; the slug unless given.")
        parser.add_argument("--owner", metavar="EMAIL", help="A person who owns it; without an account, one is made.")

    def handle(self, *args: Any, **options: Any) -> None:
        slug, name, owner = options["slug"], options["name"], options["owner"]
        _check(slug, name, owner)
        try:
            with transaction.atomic():
                tenant = create_tenant(slug, name, owner, by=SYSTEM)
                _, key = create_owner_key(tenant_id=tenant.id, name="created with the tenant", by=SYSTEM)
        except Problem as problem:
            raise CommandError(f"{problem.detail} {problem.hint}") from None
        self.stderr.write(f"Made the tenant {tenant.slug}. Keep the key: it is shown this once.")
        self.stdout.write(json.dumps({"tenant": tenant.slug, "api_key": key}))


def _check(slug: str, name: str, owner: str | None) -> None:
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise CommandError("SLUG takes up to 63 lower-case letters, digits and hyphens, no hyphen at either end.")
    if len(name) > 150:
        raise CommandError("--name takes at most 150 characters.")
    try:
        if owner is not None:
            validate_email(owner)
    except ValidationError:
        raise CommandError("--owner is not an email address.") from None
