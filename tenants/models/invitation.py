from django.conf import settings
from django.db import models

from tenants.models.membership import Role
from tenants.scope import TenantScoped


class Invitation(TenantScoped):
    """A word to an email address: whoever owns it may join. The row goes when it is accepted or withdrawn.

    It is worth what its sender may give at that time. The token is in the email alone; the row holds an HMAC of it.
    """

    version = 1  # nothing edits it

    email = models.EmailField()  # lower case
    role = models.CharField(max_length=16, choices=Role)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    acts_as_owner = models.BooleanField(default=False, help_text="Sent with a key of the operator's, not by a person.")
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the mail server took the email.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantScoped.Meta):
        constraints = [models.UniqueConstraint(fields=["tenant", "email"], name="invitation_once")]

    def __str__(self) -> str:
        return self.email
