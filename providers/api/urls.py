"""Where the resources of providers live, below `/api/v1/`."""

from __future__ import annotations

from django.urls import path

from providers.api import credentials, default_models, discoveries, jobs, kinds, models, providers, usage, validations

_TENANT = "tenants/<str:tenant>"
_PROVIDER = f"{_TENANT}/providers/<str:provider>"
_CREDENTIAL = f"{_PROVIDER}/credentials/<str:credential>"
_MODEL = f"{_TENANT}/models/<str:model>"
_JOB = f"{_TENANT}/jobs/<str:job>"

urlpatterns = [
    path("provider-kinds", kinds.KindListView.as_view(), name="provider-kinds"),
    path("provider-kinds/<str:kind>", kinds.KindView.as_view(), name="provider-kind"),
    path(f"{_TENANT}/providers", providers.ProviderListView.as_view(), name="providers"),
    path(_PROVIDER, providers.ProviderView.as_view(), name="provider"),
    path(f"{_PROVIDER}/enable", providers.ProviderEnableView.as_view(), name="provider-enable"),
    path(f"{_PROVIDER}/disable", providers.ProviderDisableView.as_view(), name="provider-disable"),
    path(f"{_PROVIDER}/credentials", credentials.CredentialListView.as_view(), name="credentials"),
    path(_CREDENTIAL, credentials.CredentialView.as_view(), name="credential"),
    path(f"{_CREDENTIAL}/activate", credentials.CredentialActivateView.as_view(), name="credential-activate"),
    path(f"{_CREDENTIAL}/rotate", credentials.CredentialRotateView.as_view(), name="credential-rotate"),
    path(f"{_CREDENTIAL}/revoke", credentials.CredentialRevokeView.as_view(), name="credential-revoke"),
    path(f"{_PROVIDER}/validations", validations.ProviderValidationListView.as_view(), name="provider-validations"),
    path(
        f"{_PROVIDER}/validations/<str:validation>",
        validations.ProviderValidationView.as_view(),
        name="provider-validation",
    ),
    path(
        f"{_PROVIDER}/validations/<str:validation>/events",
        validations.ValidationEventsView.as_view(),
        name="provider-validation-events",
    ),
    path(f"{_TENANT}/validations", validations.FormValidationListView.as_view(), name="form-validations"),
    path(f"{_TENANT}/validations/<str:validation>", validations.FormValidationView.as_view(), name="form-validation"),
    path(
        f"{_TENANT}/validations/<str:validation>/events",
        validations.ValidationEventsView.as_view(),
        name="form-validation-events",
    ),
    path(f"{_PROVIDER}/discovered-models", discoveries.DiscoveredModelsView.as_view(), name="discovered-models"),
    path(f"{_PROVIDER}/discoveries", discoveries.DiscoveryListView.as_view(), name="discoveries"),
    path(f"{_PROVIDER}/discoveries/<str:discovery>", discoveries.OneDiscoveryView.as_view(), name="discovery"),
    path(f"{_PROVIDER}/model-imports", discoveries.ModelImportView.as_view(), name="model-imports"),
    path(f"{_TENANT}/models", models.ModelListView.as_view(), name="models"),
    path(_MODEL, models.ModelView.as_view(), name="model"),
    path(f"{_MODEL}/enable", models.ModelEnableView.as_view(), name="model-enable"),
    path(f"{_MODEL}/disable", models.ModelDisableView.as_view(), name="model-disable"),
    path(f"{_MODEL}/test", models.ModelTestView.as_view(), name="model-test"),
    path(f"{_MODEL}/parameter-rules", models.ModelParameterRulesView.as_view(), name="model-parameter-rules"),
    path(f"{_TENANT}/default-models", default_models.DefaultModelsView.as_view(), name="default-models"),
    path(f"{_TENANT}/jobs", jobs.JobListView.as_view(), name="jobs"),
    path(_JOB, jobs.JobView.as_view(), name="job"),
    path(f"{_JOB}/cancel", jobs.JobCancelView.as_view(), name="job-cancel"),
    path(f"{_JOB}/events", jobs.JobEventsView.as_view(), name="job-events"),
    path(f"{_JOB}/content", jobs.JobContentView.as_view(), name="job-content"),
    path(f"{_TENANT}/queue", jobs.QueueView.as_view(), name="queue"),
    path(f"{_TENANT}/usage", usage.UsageView.as_view(), name="usage"),
]
