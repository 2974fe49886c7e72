"""People: accounts, who of them is an operator, and who is shut out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants.admin.acts import act
from tenants.admin.base import VerbAdmin, acting
from tenants.admin.counts import how_many
from tenants.models import Membership, User
from tenants.people import set_active

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")

    def save(self, commit: bool = True) -> User:
        """Without a password the account is opened by a password reset."""
        values = self.cleaned_data
        password = values["password1"] if values["set_usable_password"] else None
        return User.objects.create_user(values["email"], password, name=values["name"])


class UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class UserAdmin(VerbAdmin, DjangoUserAdmin):
    """Accounts belong to no tenant and have no verb but `set_active`: the form saves them, as Django does."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "standing", "tenant_count", "last_login", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "name")
    search_help_text = "Email address or name"
    ordering = ("email",)
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("is_active", "last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (
            "Operator",
            {
                "fields": POWERS,
                "description": "Staff may log in here, within the permissions of their roles. None of this gives a "
                "right inside a tenant: memberships do. Only superusers change it.",
            },
        ),
        ("Account", {"fields": ("is_active", "last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)
    actions_detail = ("deactivate", "reactivate")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).annotate(tenants=how_many(Membership, "user"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The address is how a person logs in, and theirs to move."""
        fixed = ("email", *self.readonly_fields) if obj else self.readonly_fields
        return (*fixed, *(() if request.user.is_superuser else POWERS))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody below a superuser touches a superuser's account: its password opens everything."""
        user = self.row(obj) if isinstance(obj, str) else obj
        is_above = user is not None and user.is_superuser and not request.user.is_superuser
        return super().has_change_permission(request, user) and not is_above

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:
            form.save_m2m()

    @display(
        description="Standing",
        label={"superuser": "danger", "operator": "warning", "person": "info", "deactivated": "default"},
    )
    def standing(self, user: User) -> str:
        if not user.is_active:
            return "deactivated"
        return "superuser" if user.is_superuser else "operator" if user.is_staff else "person"

    @display(description="Tenants", ordering="tenants")
    def tenant_count(self, user: Any) -> int:
        return int(user.tenants)

    # --- Acts ---

    def has_deactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        user = self.row(object_id)
        return self.has_change_permission(request, user) and user != request.user and getattr(user, "is_active", True)

    def has_reactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        user = self.row(object_id)
        return self.has_change_permission(request, user) and not getattr(user, "is_active", False)

    @act(
        "Deactivate",
        right="deactivate",
        icon="person_off",
        variant=ActionVariant.DANGER,
        explains="The person is let in nowhere, and keys they made lose their rights. Memberships stay.",
    )
    def deactivate(self, request: HttpRequest, user: User, form: Any) -> str:
        set_active(user, False, by=acting(request))
        return f"{user} is deactivated."

    @act("Reactivate", right="reactivate", icon="how_to_reg", explains="The person may log in again.")
    def reactivate(self, request: HttpRequest, user: User, form: Any) -> str:
        set_active(user, True, by=acting(request))
        return f"{user} may log in again."
