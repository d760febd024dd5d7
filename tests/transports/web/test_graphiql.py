"""GraphiQL in a real chromium, against the real server with the demo world."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import Browser, Locator, Page, WebSocket, expect

from app.transports import web

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("front_end", "demo_world")]

READY_TABS = ["NestedQuery", "HomeFeed", "CreatePost", "LivePosts"]
NESTED_QUERY = 'query { user(id: "123") { posts { title author { name } } } }'
CREATE_POST = "mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } } }"


@pytest.fixture
async def graphiql(browser: Browser, server: Any) -> AsyncIterator[Page]:
    """The page as a first-time visitor finds it: a fresh profile, schema loaded."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await open_graphiql(page, server.url)
    yield page
    await context.close()


async def open_graphiql(page: Page, url: str) -> None:
    await page.goto(f"{url}/graphql")
    # The operation editor is the last one that a run needs.
    await expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible()
    await expect(page.locator(".graphiql-execute-button")).to_be_enabled()


def tab(page: Page, title: str) -> Locator:
    return page.locator(".graphiql-tab-button", has_text=re.compile(rf"^{title}$"))


async def run(page: Page) -> dict[str, Any]:
    """One click on the button; the request as sent and the answer as received."""
    async with page.expect_response(lambda response: response.request.method == "POST") as received:
        await page.click(".graphiql-execute-button")
    response = await received.value
    return {"request": response.request, "answer": await response.json()}


def result_pane(page: Page) -> Locator:
    return page.locator(".result-window .view-lines")


async def demo_token(url: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(f"{url}/graphql", headers={"Accept": "text/html"}) as response:
        found = re.search(r'id="feedgraph-config">(.*?)</script>', await response.text())
    assert found is not None
    token = json.loads(found[1])["demoToken"]
    assert isinstance(token, str)
    return token


async def create_post(url: str, token: str, content: str) -> None:
    body = {"query": CREATE_POST, "variables": {"input": {"content": content}}}
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as client, client.post(f"{url}/graphql", json=body, headers=headers) as response:
        assert "errors" not in await response.json()


def frames_sent(page: Page) -> asyncio.Queue[dict[str, Any]]:
    """A queue that fills with the messages the page sends over its WebSockets."""
    frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: frames.put_nowait(json.loads(payload)))

    page.on("websocket", watch)
    return frames


async def next_sent(frames: asyncio.Queue[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The next message of type `kind`; those before it are dropped."""
    async with asyncio.timeout(10):
        while (frame := await frames.get())["type"] != kind:
            pass
    return frame


async def write_into(page: Page, editor: str, text: str) -> None:
    await page.locator(f"{editor} .view-lines").click()
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.insert_text(text)
    # The editor closes brackets and quotes by itself; the text brings its own.
    await page.keyboard.press("ControlOrMeta+Shift+End")
    await page.keyboard.press("Delete")


async def test_page_stays_on_its_own_host_and_breaks_no_rule(browser: Browser, server: Any) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    hosts: set[str] = set()
    troubles: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    page.on(
        "response", lambda response: troubles.append(f"{response.status}: {response.url}") if response.status >= 400 else None
    )
    page.on("console", lambda message: troubles.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    await page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective, e.blockedURI))"
    )

    await open_graphiql(page, server.url)
    for title in READY_TABS[:2]:
        await tab(page, title).click()
        await run(page)
        await expect(result_pane(page)).to_contain_text("data")
    await page.get_by_role("button", name=re.compile("documentation", re.I)).first.click()
    await expect(page.get_by_text("Root Types")).to_be_visible()
    await context.close()

    assert troubles == []
    assert {host for host in hosts if host} == {urlsplit(server.url).netloc}


async def test_first_visit_finds_the_ready_tabs_in_their_order(graphiql: Page) -> None:
    assert await graphiql.title() == "feedgraph · GraphiQL"
    await expect(graphiql.locator(".graphiql-tab-button")).to_have_text(READY_TABS)


async def test_nested_query_is_word_for_word_the_classic_one(graphiql: Page) -> None:
    ran = await run(graphiql)

    sent = re.sub(r"#.*", "", ran["request"].post_data_json["query"])
    assert sent.split() == NESTED_QUERY.split()
    assert "authorization" not in ran["request"].headers


@pytest.mark.parametrize("_title", ["NestedQuery", "HomeFeed", "CreatePost"])
async def test_ready_tab_runs_by_one_click(graphiql: Page, _title: str) -> None:
    await tab(graphiql, _title).click()

    ran = await run(graphiql)

    assert "errors" not in ran["answer"]
    assert all(ran["answer"]["data"].values())
    assert ran["request"].headers["feedgraph-counts"] == "1"
    assert ran["answer"]["extensions"]["counts"]
    await expect(result_pane(graphiql)).to_contain_text("data")


async def test_a_post_created_over_http_appears_in_the_running_subscription_and_stop_completes_it(
    graphiql: Page, server: Any
) -> None:
    frames = frames_sent(graphiql)
    token = await demo_token(server.url)
    await tab(graphiql, "LivePosts").click()
    await graphiql.click(".graphiql-execute-button")
    subscribed = await next_sent(frames, "subscribe")
    while "subscription" not in subscribed["payload"]["query"]:  # first the page asks where it begins
        subscribed = await next_sent(frames, "subscribe")

    # The server begins to listen a moment after the message: write until one post has come through.
    for attempt in range(20):
        await create_post(server.url, token, f"seen-live-{attempt}")
        try:
            await expect(result_pane(graphiql)).to_contain_text("seen-live-", timeout=1000)
            break
        except AssertionError:
            continue
    await expect(result_pane(graphiql)).to_contain_text("postAdded")
    await expect(result_pane(graphiql)).not_to_contain_text("errors")
    assert "complete" not in [frames.get_nowait()["type"] for _ in range(frames.qsize())]

    await graphiql.click(".graphiql-execute-button")
    completed = await next_sent(frames, "complete")
    assert completed["id"] == subscribed["id"]


async def test_token_of_the_headers_editor_travels_in_connection_init(graphiql: Page, server: Any) -> None:
    frames = frames_sent(graphiql)
    await tab(graphiql, "HomeFeed").click()
    await write_into(graphiql, ".graphiql-query-editor", "subscription { postAdded { id } }")
    await graphiql.click(".graphiql-execute-button")

    init = await next_sent(frames, "connection_init")

    assert init["payload"] == {"Authorization": f"Bearer {await demo_token(server.url)}"}


async def test_subscription_without_a_token_is_anonymous(graphiql: Page) -> None:
    frames = frames_sent(graphiql)
    await tab(graphiql, "LivePosts").click()
    await graphiql.click(".graphiql-execute-button")

    init = await next_sent(frames, "connection_init")

    assert "Authorization" not in init.get("payload", {})


async def test_own_text_and_token_are_still_there_after_a_reload(graphiql: Page, server: Any) -> None:
    await tab(graphiql, "HomeFeed").click()
    await write_into(graphiql, ".graphiql-query-editor", "query MyOwn { feed(first: 1) { edges { cursor } } }")
    await graphiql.wait_for_function("() => localStorage.getItem('feedgraph:graphiql:tabState')?.includes('MyOwn')")
    await graphiql.wait_for_function("() => localStorage.getItem('feedgraph:graphiql:query')?.includes('MyOwn')")
    await open_graphiql(graphiql, server.url)

    await expect(graphiql.locator(".graphiql-tab-button")).to_have_text(["NestedQuery", "MyOwn", "CreatePost", "LivePosts"])
    assert "errors" not in (await run(graphiql))["answer"]


async def test_newer_ready_tabs_replace_untouched_older_ones_and_spare_the_visitors_own(graphiql: Page, server: Any) -> None:
    old = {"query": "query Older { viewer { id } }", "variables": None, "headers": None}
    own = {"query": "query Mine { viewer { name } }", "variables": None, "headers": None}
    kept = [
        {**shown, "id": str(place), "title": "?", "operationName": None, "response": None}
        for place, shown in enumerate([old, own])
    ]
    await graphiql.goto(f"{server.url}/favicon.ico")  # the same origin without a page that writes to the storage
    await graphiql.evaluate(
        "([shipped, state]) => { localStorage.setItem('feedgraph:shippedTabs', shipped);"
        " localStorage.setItem('feedgraph:graphiql:tabState', state) }",
        [json.dumps([old]), json.dumps({"tabs": kept, "activeTabIndex": 0})],
    )

    await open_graphiql(graphiql, server.url)

    await expect(graphiql.locator(".graphiql-tab-button")).to_have_text([*READY_TABS, "Mine"])


async def test_another_projects_tabs_on_the_same_port_are_not_ours(graphiql: Page, server: Any) -> None:
    foreign = {
        "query": "{ a }",
        "variables": None,
        "headers": None,
        "id": "1",
        "title": "x",
        "operationName": None,
        "response": None,
    }
    await graphiql.goto(f"{server.url}/favicon.ico")
    await graphiql.evaluate(
        "(state) => { localStorage.clear(); localStorage.setItem('graphiql:tabState', state) }",
        json.dumps({"tabs": [foreign], "activeTabIndex": 0}),
    )

    await open_graphiql(graphiql, server.url)

    await expect(graphiql.locator(".graphiql-tab-button")).to_have_text(READY_TABS)


async def test_without_a_demo_token_a_hint_stands_in_its_place_and_no_token_is_kept_in_the_browser(
    browser: Browser, server: Any
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    html = web.page(None).text
    await page.route(
        "**/graphql",
        lambda route: route.fulfill(body=html, content_type="text/html") if route.request.method == "GET" else route.fallback(),
    )
    await open_graphiql(page, server.url)
    await tab(page, "HomeFeed").click()
    await expect(page.locator(".graphiql-editors")).to_contain_text("YOUR-TOKEN")

    await write_into(page, '[data-uri$="request-headers.json"]', '{"Authorization": "Bearer my-own-secret"}')
    await write_into(page, ".graphiql-query-editor", "query AfterHeaders { feed(first: 1) { edges { cursor } } }")
    await expect(tab(page, "AfterHeaders")).to_be_visible()  # so the tab knows the headers, which were written before
    ran = await run(page)
    await page.wait_for_function("() => localStorage.getItem('feedgraph:graphiql:queries')?.includes('AfterHeaders')")

    assert ran["request"].headers["authorization"] == "Bearer my-own-secret"
    assert "my-own-secret" not in await page.evaluate("() => JSON.stringify(localStorage)")
    await context.close()
