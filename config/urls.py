from django.contrib import admin
from django.urls import include, path, re_path

from tenants.api import problems
from tenants.api.documentation import DocsView, SchemaView

admin.autodiscover()

urlpatterns = [
    path("admin/", admin.site.urls),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
    path("api/v1/", include("tenants.api.urls")),
    path("api/v1/", include("providers.api.urls")),
    re_path(r"^api(?:/|$)", problems.nothing_here),
]

handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.page_not_found
handler500 = problems.server_error
