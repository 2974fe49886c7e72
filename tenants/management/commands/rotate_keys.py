"""`rotate_keys --kek|--dek`: new keys under what is stored, while everything runs on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.models import Tenant
from tenants.sealing import KeyringError
from tenants.sealing.progress import Tally
from tenants.sealing.rewrapping import rewrap_under_first_key
from tenants.sealing.rotation import rotate_data_keys
from tenants.sealing.versions import Standing, under_data_keys, under_keyring


class Command(BaseCommand):
    help = (
        "Rotate keys while readers and writers go on. --kek wraps the data keys under the keyring's first key; run it "
        "once every process has that key. --dek gives each tenant a new data key and moves all it has sealed onto it. "
        "If it is stopped, run it again: it goes on where it was. Exit status 0: everything lies under the newest keys."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--kek", action="store_true", help="The keyring's keys, which wrap the data keys.")
        which.add_argument("--dek", action="store_true", help="The tenants' data keys, which seal what is stored.")
        parser.add_argument("--tenant", metavar="SLUG", help="One tenant; all of them unless given.")
        parser.add_argument("--verify", action="store_true", help="Change nothing: count what lies under which key.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = _tenant(options["tenant"])
        try:
            tally = None if options["verify"] else self._rotate(options["kek"], tenant)
            standings = under_keyring(tenant) if options["kek"] else under_data_keys(tenant)
        except KeyringError as error:
            raise CommandError(str(error)) from None
        self._show(standings)
        _judge(standings, tally)

    def _rotate(self, is_kek: bool, tenant: Tenant | None) -> Tally:
        rotate = rewrap_under_first_key if is_kek else rotate_data_keys
        tally = rotate(tenant, report=self._report)
        self.stderr.write(f"Moved {tally.moved} to the newest key.")
        return tally

    def _report(self, tally: Tally, what: str) -> None:
        self.stderr.write(f"{what}: {tally.moved} moved, {tally.unreadable} unreadable")
        self.stderr.flush()

    def _show(self, standings: list[Standing]) -> None:
        for standing in standings:
            note = "" if standing.is_current else "  (not the newest)"
            self.stdout.write(f"{standing.rows:8}  {standing.key:12}  {standing.what}{note}")


def _tenant(slug: str | None) -> Tenant | None:
    if slug is None:
        return None
    try:
        return Tenant.objects.get(slug=slug)
    except Tenant.DoesNotExist:
        raise CommandError(f"There is no tenant {slug!r}.") from None


def _judge(standings: list[Standing], tally: Tally | None) -> None:
    behind = sum(standing.rows for standing in standings if not standing.is_current)
    if tally is not None and tally.unreadable:
        raise CommandError(f"{tally.unreadable} do not open with the key they name, and were left as they are.")
    if behind:
        raise CommandError(f"{behind} do not lie under the newest key.")
