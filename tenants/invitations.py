"""Invite an email address into a tenant; whoever proves to own it may join."""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import partial
from smtplib import SMTPException
from typing import Any, Final
from uuid import UUID

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from tenants import audit
from tenants.actors import Actor, person
from tenants.counting import refuse_more_than
from tenants.members import add_member, lock_members
from tenants.models import Invitation, Membership, Tenant, User
from tenants.permissions import ADMIN, OWNER, reaches_further
from tenants.problems import Problem

OPEN_MAX: Final = 100  # of one tenant
EMAILS_PER_HOUR: Final = 60  # of one tenant: nobody sends spam through us

log = structlog.get_logger(__name__)


def invite(
    *, tenant_id: UUID, email: str, role: str, by: Actor, inviter: User | None, acts_as_owner: bool = False
) -> Invitation:
    """Store an invitation and send it after the commit. `inviter` is who must still be able to give the role later.

    Raises Problem: already_member, already_invited, conflict (too many are open), rate_limit_exceeded.
    """
    refuse_more_than(EMAILS_PER_HOUR, of=f"invitations:{tenant_id}", per_seconds=3600)
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        tenant_id=tenant_id,
        email=email.lower(),
        role=role,
        token_digest=_digest(token, settings.SECRET_KEY),
        invited_by=inviter,
        acts_as_owner=acts_as_owner,
        expires_at=timezone.now() + timedelta(days=settings.INVITATION_DAYS),
    )
    with transaction.atomic():
        lock_members(tenant_id)
        _make_room_for(invitation)
        invitation.save(force_insert=True)
        _record(invitation, "created", by, {"role": role})
        transaction.on_commit(partial(_send, invitation, token, by))
    return invitation


def withdraw(invitation: Invitation, *, by: Actor) -> None:
    """From the commit on its link opens nothing."""
    with transaction.atomic():
        lock_members(invitation.tenant_id)
        if Invitation.objects.for_tenant(invitation.tenant_id).filter(pk=invitation.pk).delete()[0]:
            _record(invitation, "withdrawn", by, {"role": invitation.role})


def accept(token: str, user: User) -> Membership:
    """Make the person a member, if the invitation was sent to an address that is proven to be theirs.

    Raises Problem: already_member, tenant_suspended; the same `not_found` for a token that is unknown, used, withdrawn,
    expired, another person's, or whose sender could not send it any more.
    """
    with transaction.atomic():
        invitation = _found(token)
        if invitation is None or not _is_for(invitation, user):
            raise _not_found()
        lock_members(invitation.tenant_id)
        row = Invitation.objects.for_tenant(invitation.tenant_id).filter(pk=invitation.pk)
        if not row.exists() or not _is_still_vouched_for(invitation):
            raise _not_found()
        if invitation.tenant.state == Tenant.State.SUSPENDED:
            raise Problem("tenant_suspended")
        membership = add_member(invitation.tenant_id, user, role=invitation.role, by=person(user))
        _record(invitation, "accepted", person(user), {"role": invitation.role})
        row.delete()
    return membership


def is_invited(email: str) -> bool:
    """Whether some tenant waits for the owner of this address."""
    return bool(Invitation.unscoped.filter(email=email.lower(), expires_at__gt=timezone.now()).exists())


# --- Steps ---


def _make_room_for(invitation: Invitation) -> None:
    members = Membership.objects.for_tenant(invitation.tenant_id)
    if members.filter(user__email__iexact=invitation.email).exists():
        raise Problem("already_member")
    others = Invitation.objects.for_tenant(invitation.tenant_id)
    others.filter(expires_at__lte=timezone.now()).delete()
    if others.filter(email=invitation.email).exists():
        raise Problem("already_invited")
    if others.count() >= OPEN_MAX:
        raise Problem("conflict", f"{OPEN_MAX} invitations are open.", hint="Withdraw some of them first.")


def _found(token: str) -> Invitation | None:
    digests = [_digest(token, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    live = Invitation.unscoped.filter(token_digest__in=digests, expires_at__gt=timezone.now())
    return live.select_related("tenant", "invited_by").first()


def _is_for(invitation: Invitation, user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, verified=True, email__iexact=invitation.email).exists())


def _is_still_vouched_for(invitation: Invitation) -> bool:
    """Nobody who was shut out comes back by an invitation that they had sent themselves."""
    if invitation.acts_as_owner:
        return True
    senders = Membership.objects.for_tenant(invitation.tenant_id).filter(user__is_active=True)
    sender = senders.filter(user=invitation.invited_by_id, role__in=(ADMIN, OWNER)).first()
    return sender is not None and not reaches_further(invitation.role, than=sender.role)


def _not_found() -> Problem:
    hint = "It may have been used, withdrawn or expired, or sent to another address than those of this account."
    return Problem("not_found", "There is no such invitation for you.", hint=hint)


def _digest(token: str, secret_key: str) -> str:
    return salted_hmac("modelyard/invitation", token, secret=secret_key, algorithm="sha256").hexdigest()


def _send(invitation: Invitation, token: str, by: Actor) -> None:
    """A mail server that is away costs the email, not the request: `sent_at` tells."""
    slug = Tenant.objects.values_list("slug", flat=True).get(pk=invitation.tenant_id)
    email = EmailMessage(f"[Modelyard] Join {slug}", _text(invitation, slug, token, by), to=[invitation.email])
    try:
        email.send()
    except (SMTPException, OSError) as fault:
        log.warning("invitation_not_sent", tenant=slug, error=type(fault).__name__)
        return
    Invitation.objects.for_tenant(invitation.tenant_id).filter(pk=invitation.pk).update(sent_at=timezone.now())


def _text(invitation: Invitation, slug: str, token: str, by: Actor) -> str:
    """Only words of ours, an address and a slug: no text that a sender could choose."""
    sender = by.label if by.kind in ("user", "operator") else "Somebody"
    until = invitation.expires_at.strftime("%d %B %Y, %H:%M UTC")
    return (
        f"{sender} invites you to join {slug} on Modelyard as {invitation.role}.\n\n"
        f"To accept, log in as {invitation.email} and open:\n\n"
        f"{settings.FRONTEND_URL}/invitations/{token}\n\n"
        f"Without an account, sign up with this address first. The link works once, until {until}.\n"
        "If you know nothing of this, do nothing.\n"
    )


def _record(invitation: Invitation, action: str, by: Actor, detail: dict[str, Any]) -> None:
    audit.record(
        tenant=invitation.tenant_id,
        by=by,
        action=f"invitation.{action}",
        object_type="invitation",
        object_id=invitation.id,
        label=invitation.email,
        detail=detail,
    )
