"""The handlers of the page and its assets, without a browser."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web as aiohttp_web
from yarl import URL

from app.transports import web
from app.transports.web import graphiql


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = aiohttp_web.Application()
    web.add_routes(app)
    runner = aiohttp_web.AppRunner(app, access_log=None)
    await runner.setup()
    await aiohttp_web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    html = (Path(graphiql.__file__).parent / "front" / "graphiql.html").read_text(encoding="utf-8")
    (tmp_path / "graphiql.html").write_text(html, encoding="utf-8")
    return tmp_path


def config_in(html: str) -> object:
    found = re.search(r'<script type="application/json" id="feedgraph-config">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_page_carries_the_exact_policy_and_is_never_cached(dist: Path) -> None:
    response = graphiql.page("token", dist=dist)

    assert response.status == 200
    assert response.content_type == "text/html"
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self'; font-src 'self' data:; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("_token", [None, "fg_demo", "</script><script>alert(1)</script>", "<!--<script>", r"\1\g<0>", 'a"b'])
def test_demo_token_arrives_as_it_is_and_cannot_leave_its_script_element(dist: Path, _token: str | None) -> None:
    html = graphiql.page(_token, dist=dist).text

    assert html is not None
    assert config_in(html) == {"demoToken": _token}
    assert html.count("<script") == 2  # the configuration and the front end


def test_missing_build_answers_503_and_names_the_command(tmp_path: Path) -> None:
    response = graphiql.page("token", dist=tmp_path)

    assert not graphiql.is_built(dist=tmp_path)
    assert response.status == 503
    assert response.content_type == "text/plain"
    assert response.text is not None
    assert "make run" in response.text
    assert "token" not in response.text


async def test_assets_are_immutable_and_compressed_when_the_client_can(front_end: None, address: str) -> None:
    html = web.page(None).text
    assert html is not None
    script = re.search(r'src="\./(graphiql/[^"]+\.js)"', html)
    assert script is not None

    async with aiohttp.ClientSession(base_url=address, auto_decompress=False) as client:
        async with client.get(f"/{script[1]}", headers={"Accept-Encoding": "gzip"}) as packed:
            packed_body = await packed.read()
        async with client.get(f"/{script[1]}", headers={"Accept-Encoding": "identity"}) as plain:
            plain_body = await plain.read()

    assert packed.status == plain.status == 200
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed_body) < len(plain_body) / 2
    for response in (packed, plain):
        assert response.content_type in {"text/javascript", "application/javascript"}
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "_path",
    ["/graphiql/no-such.js", "/graphiql/..%2Fgraphiql.html", "/graphiql/%2e%2e", "/graphiql/", "/graphiql/..%2F..%2F__init__.py"],
)
async def test_nothing_but_assets_is_served_and_a_404_is_not_kept(address: str, _path: str) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.get(URL(address + _path, encoded=True)) as response,
    ):
        assert response.status == 404
        assert "Cache-Control" not in response.headers


async def test_favicon_is_our_svg(address: str) -> None:
    async with aiohttp.ClientSession() as client, client.get(f"{address}/favicon.ico") as response:
        assert response.status == 200
        assert response.content_type == "image/svg+xml"
        assert (await response.text()).startswith("<svg")
