from django.urls import path

from tenants.api.api_key_rotation import ApiKeyRotateView
from tenants.api.api_keys import ApiKeysView, ApiKeyView
from tenants.api.audit_events import AuditEventsView
from tenants.api.audit_export import AuditExportView
from tenants.api.invitations import InvitationAcceptView, InvitationsView, InvitationView
from tenants.api.me import MeView
from tenants.api.members import MembersView, MemberView
from tenants.api.tenants import TenantDetailView, TenantsView

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    path("tenants", TenantsView.as_view(), name="tenants"),
    path("tenants/<str:tenant>", TenantDetailView.as_view(), name="tenant"),
    path("tenants/<str:tenant>/members", MembersView.as_view(), name="members"),
    path("tenants/<str:tenant>/members/<str:member>", MemberView.as_view(), name="member"),
    path("tenants/<str:tenant>/invitations", InvitationsView.as_view(), name="invitations"),
    path("tenants/<str:tenant>/invitations/<str:invitation>", InvitationView.as_view(), name="invitation"),
    path("invitations/<str:token>/accept", InvitationAcceptView.as_view(), name="invitation_accept"),
    path("tenants/<str:tenant>/api-keys", ApiKeysView.as_view(), name="api_keys"),
    path("tenants/<str:tenant>/api-keys/<str:api_key>", ApiKeyView.as_view(), name="api_key"),
    path("tenants/<str:tenant>/api-keys/<str:api_key>/rotate", ApiKeyRotateView.as_view(), name="api_key_rotate"),
    path("tenants/<str:tenant>/audit-events", AuditEventsView.as_view(), name="audit_events"),
    path("tenants/<str:tenant>/audit-events/export", AuditExportView.as_view(), name="audit_export"),
]
