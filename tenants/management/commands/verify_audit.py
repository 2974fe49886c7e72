"""`verify_audit`: whether the audit logs are whole. Ends with 1 when anything was edited, removed, moved or cut off."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants import audit
from tenants.audit_verification import Verdict, verify
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Check every tenant's chain of audit events: each event, their order, and that none is missing. Prints each "
        "chain's head as SEQ:HASH. Note the heads down outside of this database: --head then also finds a former "
        "state that was put back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="This one alone.")
        parser.add_argument("--head", metavar="SEQ:HASH", default="", help="A head noted earlier; with --tenant.")
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="First take events in that a process of an earlier release wrote while this one was installed.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug, head = options["tenant"], options["head"]
        if head and not (slug and re.fullmatch(r"\d{1,18}:[0-9a-f]{64}", head)):
            raise CommandError("--head takes SEQ:HASH as this command prints it, together with --tenant.")
        tenants = Tenant.objects.filter(slug=slug) if slug else Tenant.objects.order_by("slug")
        if slug and not tenants.exists():
            raise CommandError(f"There is no tenant {slug!r}.")
        broken = 0
        for tenant in tenants.iterator():
            if options["adopt"]:
                self._adopt(tenant)
            verdict = verify(tenant, noted_head=head)
            self._tell(verdict)
            broken += bool(verdict.findings)
        if broken:
            raise CommandError(f"The audit log of {broken} {'tenant' if broken == 1 else 'tenants'} is not whole.")

    def _adopt(self, tenant: Tenant) -> None:
        adopted = audit.adopt(tenant.id)
        if adopted:
            self.stdout.write(f"{tenant.slug}: {adopted} events taken in.")

    def _tell(self, verdict: Verdict) -> None:
        if not verdict.findings:
            self.stdout.write(f"{verdict.tenant}: {verdict.events} events, whole. Head {verdict.head}")
        for finding in verdict.findings:
            self.stdout.write(self.style.ERROR(f"{verdict.tenant}: {finding}"))
