"""The GraphiQL page, the page of the REST face, the assets of their build, and the icon of every page."""

from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from app.transports.web.pages import DIST, built_page

_FAVICON: Final = Path(__file__).parent / "favicon.svg"
_ASSET_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable"}
_FAVICON_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=86400"}


def is_built(*, dist: Path = DIST) -> bool:
    """Whether the front end's build is there to be served."""
    return (dist / "graphiql.html").is_file()


def page(demo_token: str | None, *, dist: Path = DIST) -> web.Response:
    """The GraphiQL page, its ready tabs signed in by `demo_token`."""
    return built_page("graphiql.html", "GraphiQL", demo_token, dist=dist)


def api_docs(demo_token: str | None) -> Handler:
    """What shows the OpenAPI document, signed in by `demo_token`."""

    async def handle(_request: web.Request) -> web.Response:
        return built_page("api/docs.html", "The page of the REST face", demo_token)

    return handle


def add_routes(app: web.Application) -> None:
    """Mount what the page loads: GET /graphiql/{name} for the build's assets, GET /favicon.ico."""
    # A name begins with a letter, digit, dash or underscore and has no slash: it cannot leave the folder.
    app.router.add_get(r"/graphiql/{name:[\w-][\w.-]*}", _asset)
    app.router.add_get("/favicon.ico", _favicon)


async def _asset(request: web.Request) -> web.FileResponse:
    path = _asset_path(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound(text="There is no such asset; load the page again to get the current ones.\n")
    return web.FileResponse(path, headers=_ASSET_HEADERS)


def _asset_path(name: str) -> Path | None:
    path = DIST / "graphiql" / name
    return path if path.is_file() else None


async def _favicon(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(_FAVICON, headers={**_FAVICON_HEADERS, "Content-Type": "image/svg+xml"})
