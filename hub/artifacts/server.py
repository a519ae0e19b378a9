"""Serves artifact files over HTTP, to read only: GET and HEAD with ranges, times and entity tags.

Only files that the storage vouches for; everything else, every other method included, is not there.
"""

import asyncio

from aiohttp import web

from hub.artifacts.storage import ArtifactStorage

CONTENT_TYPE = "application/gzip"


def artifact_application(storage: ArtifactStorage) -> web.Application:
    """Return the application to run on the address that artifact URLs advertise."""

    async def serve(request: web.Request) -> web.StreamResponse:
        # Hashing may be needed, which must not hold up the loop.
        file = await asyncio.to_thread(storage.readable, request.match_info["path"])
        if file is None:
            raise web.HTTPNotFound(text="no such artifact\n")
        # Without a type of its own the response would be announced as compressed and be unpacked on the way.
        return web.FileResponse(file, headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/{path:.*}", serve)
    return application
