"""The GraphiQL page, the assets of its build, and the icon of every page."""

import re
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web

DIST: Final = Path(__file__).parent / "dist"
_FAVICON: Final = Path(__file__).parent / "favicon.svg"

# Monaco, GraphiQL's editor, writes style attributes and elements (hence 'unsafe-inline' for styles, and for nothing else) and
# carries its icon font as a data URI.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_ASSET_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable"}
_FAVICON_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=86400"}

_CONFIG_ELEMENT: Final = re.compile(r'(<script type="application/json" id="feedgraph-config">).*?(</script>)', re.DOTALL)
_NOT_BUILT: Final = (
    "GraphiQL is not built yet. Run `make run` (or, in app/transports/web/front, `npm ci` and `npm run build`), "
    "then load this page again.\n"
)


def is_built(*, dist: Path = DIST) -> bool:
    """Whether the front end's build is there to be served."""
    return (dist / "graphiql.html").is_file()


def page(demo_token: str | None, *, dist: Path = DIST) -> web.Response:
    """The GraphiQL page, its ready tabs signed in by `demo_token`; None leaves a hint where a token belongs.

    Answers 503 with one plain sentence when the front end is not built.
    """
    if not is_built(dist=dist):
        return web.Response(status=503, text=_NOT_BUILT, headers=_PAGE_HEADERS)
    html = (dist / "graphiql.html").read_text(encoding="utf-8")
    config = _script_json({"demoToken": demo_token})
    html = _CONFIG_ELEMENT.sub(lambda match: match[1] + config + match[2], html, count=1)
    return web.Response(text=html, content_type="text/html", headers=_PAGE_HEADERS)


def add_routes(app: web.Application) -> None:
    """Mount what the page loads: GET /graphiql/{name} for the build's assets, GET /favicon.ico."""
    # A name begins with a letter, digit, dash or underscore and has no slash: it cannot leave the folder.
    app.router.add_get(r"/graphiql/{name:[\w-][\w.-]*}", _asset)
    app.router.add_get("/favicon.ico", _favicon)


def _script_json(value: object) -> str:
    # Inside a script element only "<" can end or confuse it; JSON lets it be written as an escape.
    return orjson.dumps(value).decode().replace("<", "\\u003c")


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
