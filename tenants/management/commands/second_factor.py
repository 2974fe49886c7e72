"""`second_factor [EMAIL]`: give an operator a second factor, take it away, or list who has one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tenants import second_factors
from tenants.models import User

TRIES = 3

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = (
        "Without EMAIL: list the operators and who has a second factor; ends with 1 when one is required and missing. "
        "With EMAIL: set up an authenticator app for this account, from a terminal on the server."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="?")
        parser.add_argument("--replace", action="store_true", help="Also where the account has one already.")
        parser.add_argument("--remove", action="store_true", help="Take it away: phone and recovery codes are lost.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["email"] is None:
            self._list()
            return
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"No account has the address {options['email']}.")
        if options["remove"]:
            self._remove(user)
        else:
            self._enrol(user, may_replace=options["replace"])

    def _list(self) -> None:
        without = set(second_factors.staff_without())
        for user in second_factors.staff():
            self.stdout.write(f"{'no ' if user in without else 'yes'} {user.email}")
        if without and settings.STAFF_MFA_REQUIRED:
            raise CommandError(f"{len(without)} of the staff cannot use the admin: they have no second factor.")

    def _remove(self, user: User) -> None:
        if not second_factors.remove(user):
            raise CommandError(f"{user.email} has no second factor.")
        log.warning("second_factor_removed", person=str(user.id))
        self.stdout.write(f"{user.email} logs in with the password alone now.")

    def _enrol(self, user: User, *, may_replace: bool) -> None:
        if second_factors.has_one(user) and not may_replace:
            raise CommandError(f"{user.email} has a second factor. Replace it with --replace.")
        secret = second_factors.new_secret()
        self._show(second_factors.address_of(user, secret), secret)
        self._ask_for_code(secret)
        codes = second_factors.enrol(user, secret)
        log.warning("second_factor_enrolled", person=str(user.id))
        self.stdout.write(f"{user.email} has a second factor. Recovery codes, each good for one login:")
        for code in codes:
            self.stdout.write(f"  {code}")

    def _show(self, address: str, secret: str) -> None:
        from qrcode.main import QRCode

        qr = QRCode(border=1)
        qr.add_data(address)
        qr.print_ascii(out=self.stdout, invert=True)
        self.stdout.write(f"Scan this with an authenticator app, or type the key in: {secret}")

    def _ask_for_code(self, secret: str) -> None:
        for _ in range(TRIES):
            self.stdout.write("The six digits that the app shows now: ")
            try:
                code = input()
            except EOFError:
                break
            if second_factors.shows(secret, code.strip()):
                return
        raise CommandError("That was not the code. Nothing has changed.")
