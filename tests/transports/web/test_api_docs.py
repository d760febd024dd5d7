"""The page of the REST face: Swagger UI over our own document, from this server alone, under the same policy as GraphiQL."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from app.transports.rest.routes import ROUTES
from app.transports.web.pages import CONTENT_SECURITY_POLICY, built_page

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def test_the_page_is_served_under_the_policy_or_says_what_to_build(front_end: None, server: Any, tmp_path: Any) -> None:
    async with server.http.get(f"{server.url}/api/docs") as response:
        text = await response.text()
    assert (response.status, response.headers["Content-Security-Policy"]) == (200, CONTENT_SECURITY_POLICY)
    assert '"demoToken":null' in text
    assert built_page("api/docs.html", "The page", None, dist=tmp_path).status == 503


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.usefixtures("front_end", "demo_world")
async def test_every_operation_is_shown_and_one_runs_by_three_clicks(browser: Browser, server: Any) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    complaints: list[str] = []
    elsewhere: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((server.url, "data:")) else elsewhere.append(request.url))

    await page.goto(f"{server.url}/api/docs")
    await expect(page.locator(".opblock")).to_have_count(len(ROUTES) + 1)
    operation = page.locator("#operations-users-getViewer")
    await operation.locator(".opblock-summary").click()
    await operation.locator(".execute").click()
    await expect(operation.locator(".live-responses-table")).to_contain_text('"userId": "123"')
    await context.close()

    assert (complaints, elsewhere) == ([], [])
