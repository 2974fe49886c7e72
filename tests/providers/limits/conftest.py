"""The gateway's fixtures."""

from tests.providers.gateway.conftest import application, call, fake, gateway, nothing_lapses, open_egress, server_url

__all__ = ["application", "call", "fake", "gateway", "nothing_lapses", "open_egress", "server_url"]
