"""What the data plane adds to the web process: `/v1`, and the routes of the control plane that stream or are hot."""

from __future__ import annotations

from starlette.routing import BaseRoute, Mount

from providers.gateway.control_routes import job_routes, validation_routes
from providers.gateway.v1 import v1


def routes() -> list[BaseRoute]:
    """For config/asgi.py. `/v1` is a mount of its own, so that its OPTIONS, 404 and 405 are OpenAI's, not Django's."""
    return [*job_routes(), *validation_routes(), Mount("/v1", v1)]
