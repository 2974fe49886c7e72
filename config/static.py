"""Static files straight from the installed apps (admin, API pages): nothing to collect, nothing to go stale."""

from __future__ import annotations

from django.contrib.staticfiles.finders import AppDirectoriesFinder
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class AppStaticFiles(StaticFiles):
    """Kept by browsers for an hour, then asked for again with their ETag."""

    def __init__(self) -> None:
        super().__init__()
        self.all_directories = [storage.location for storage in AppDirectoriesFinder().storages.values()]

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "public, max-age=3600")
        return response
