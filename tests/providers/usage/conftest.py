"""The gateway's fixtures."""

from tests.providers.gateway.conftest import application, call, fake, gateway, open_egress, server_url

__all__ = ["application", "call", "fake", "gateway", "open_egress", "server_url"]
