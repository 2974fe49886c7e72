"""`deletion_receipts`: what was erased with each deleted tenant, one JSON object a line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from tenants.models import DeletionReceipt


class Command(BaseCommand):
    help = (
        "Print the receipts of deleted tenants, newest first: when, by whom, how much, and the fingerprints of the "
        "data keys that are gone. A backup made before the deletion still holds those keys, wrapped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="Only those of tenants that had this slug.")

    def handle(self, *args: Any, **options: Any) -> None:
        receipts = DeletionReceipt.objects.order_by("-deleted_at")
        if options["tenant"]:
            receipts = receipts.filter(slug=options["tenant"])
        for receipt in receipts.iterator():
            self.stdout.write(json.dumps(_as_json(receipt)))


def _as_json(receipt: DeletionReceipt) -> dict[str, Any]:
    return {
        "id": str(receipt.pk),
        "tenant": receipt.slug,
        "tenant_id": str(receipt.tenant_id),
        "deleted_at": receipt.deleted_at.isoformat(),
        "deleted_by": {"kind": receipt.actor_kind, "id": str(receipt.actor_id), "label": receipt.actor_label},
        "erased": receipt.erased,
        "data_keys": receipt.data_keys,
    }
