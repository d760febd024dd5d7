"""Pages as the front end's build has them: under a strict policy, with what the server tells them in their configuration."""

import re
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web

DIST: Final = Path(__file__).parent / "dist"

# Monaco, GraphiQL's editor, writes style attributes and elements (hence 'unsafe-inline' for styles, and for nothing else) and
# carries its icon font as a data URI.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
CONFIG_ELEMENT: Final = re.compile(r'(<script type="application/json" id="feedgraph-config">).*?(</script>)', re.DOTALL)
NOT_BUILT: Final = (
    "{title} is not built yet. Run `make run` (or, in app/transports/web/front, `npm ci` and `npm run build`), "
    "then load this page again.\n"
)


def built_page(name: str, title: str, demo_token: str | None, *, dist: Path = DIST) -> web.Response:
    """The page of this name, told the demo user's token; None leaves a hint where a token belongs.

    Answers 503 with one plain sentence when the front end is not built.
    """
    path = dist / name
    if not path.is_file():
        return web.Response(status=503, text=NOT_BUILT.format(title=title), headers=PAGE_HEADERS)
    config = script_json({"demoToken": demo_token})
    html = CONFIG_ELEMENT.sub(lambda match: match[1] + config + match[2], path.read_text(encoding="utf-8"), count=1)
    return web.Response(text=html, content_type="text/html", headers=PAGE_HEADERS)


def script_json(value: object) -> str:
    """JSON for a script element, which only "<" can end or confuse; JSON lets it be written as an escape."""
    return orjson.dumps(value).decode().replace("<", "\\u003c")
