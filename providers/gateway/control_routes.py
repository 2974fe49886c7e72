"""Addresses of the control plane that are answered beside Django: submits, and streams of events."""

from __future__ import annotations

from django.conf import settings
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route

from providers.gateway.job_events import job_events
from providers.gateway.job_submit import submit_job
from providers.gateway.problem_responses import Endpoint
from providers.gateway.validation_events import form_validation_events, provider_validation_events

TENANT = "/api/v1/tenants/{tenant}"


def job_routes() -> list[BaseRoute]:
    """Other methods on these paths are Django's, and so is the preflight of browsers from other origins."""
    return [
        control_route(f"{TENANT}/jobs", submit_job, "POST"),
        control_route(f"{TENANT}/jobs/{{job}}/events", job_events, "GET"),
    ]


def validation_routes() -> list[BaseRoute]:
    provider = f"{TENANT}/providers/{{provider}}/validations/{{validation}}/events"
    return [
        control_route(provider, provider_validation_events, "GET"),
        control_route(f"{TENANT}/validations/{{validation}}/events", form_validation_events, "GET"),
    ]


def control_route(path: str, endpoint: Endpoint, method: str) -> Route:
    """A route whose answers browsers of the allowed origins may read."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.CORS_ALLOWED_ORIGINS,
        allow_credentials=settings.CORS_ALLOW_CREDENTIALS,
        expose_headers=settings.CORS_EXPOSE_HEADERS,
    )
    route = Route(path, endpoint, methods=[method], middleware=[cors] if settings.CORS_ALLOWED_ORIGINS else None)
    route.methods = {method}  # not HEAD: Starlette adds it, and nobody asks a stream for its head
    return route
