from django.db import models

from tenants.ids import new_id


class KeyRotation(models.Model):
    """A rotation of data keys that was begun. Tenants whose newest key is older than `started_at` are still to do.

    It outlives the process that carries it out: whoever runs the command next goes on with it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: of all tenants."
    )
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
