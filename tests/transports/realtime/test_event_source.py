"""EventSource in a real chromium: it resumes by itself when the server comes back, and hears what it missed."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page

from tests.conftest import free_port
from tests.faults.programs import program

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.postgres]

QUERY = "subscription { postAdded { content } }"
WAYS = [  # address, name of the events, how to the text of a post
    (f"/graphql?query={quote(QUERY)}", "next", "data.postAdded.content"),
    ("/api/v1/events?topics=posts", "post.created", "post.content"),
]
LISTEN = """
ways => {
  window.heard = ways.map(() => []);
  window.opened = 0;
  window.sources = ways.map(([address, name, path], index) => {
    const source = new EventSource(address);
    source.onopen = () => { window.opened += 1; };
    source.addEventListener(name, (event) => {
      const text = path.split('.').reduce((value, key) => value[key], JSON.parse(event.data));
      window.heard[index].push([event.lastEventId, text]);
    });
    return source;
  });
}
"""


async def heard(page: Page, number: int) -> list[list[Any]]:
    """Return what was heard on each way, once it is so much."""
    await page.wait_for_function("number => window.heard.every((texts) => texts.length >= number)", arg=number, timeout=40_000)
    ways: list[list[Any]] = await page.evaluate("window.heard")
    return ways


async def test_event_sources_resume_by_themselves_when_the_server_comes_back(browser: Browser, addresses, db) -> None:
    port = free_port()
    own = {"DATABASE_URL": addresses.database_url, "REDIS_URL": "redis://127.0.0.1:1"}
    page = await browser.new_page()
    try:
        async with program(port, **own) as server:
            author = await server.somebody()
            await page.goto(f"{server.url}/healthz")
            await page.evaluate(LISTEN, WAYS)
            await page.wait_for_function("() => window.opened === 2")
            await author.post("one")
            await heard(page, 1)
            assert (await server.terminated())[0] == 0
        async with program(**own) as elsewhere:  # where the page does not look
            author.server = elsewhere
            await author.post("two")
            await author.post("three")
        async with program(port, **own) as server:
            await page.wait_for_function("() => window.opened === 4", timeout=40_000)
            author.server = server
            await author.post("four")
            graphql, rest = await heard(page, 4)
        assert [text for _, text in graphql] == ["one", "two", "three", "four"]
        assert graphql == rest  # the same positions, too
    finally:
        await asyncio.wait_for(page.close(), 10)
