from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from tenants.ids import new_id
from tenants.rate_limits import RateLimited

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"


class Tenant(RateLimited):
    """A team: the owner of providers, models, keys and jobs."""

    class State(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(
        max_length=63, unique=True, validators=[RegexValidator(SLUG_PATTERN, "Lower-case letters, digits and hyphens.")]
    )
    name = models.CharField(max_length=150)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Of its turns at a shared endpoint: with 3 it gets three times the seconds of one with 1.",
    )
    max_in_flight = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Requests it may have in flight at one endpoint. Empty: as many as the endpoint takes.",
    )
    version = models.PositiveIntegerField(default=1, help_text="Moved by clients' edits; the ETag.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.slug
