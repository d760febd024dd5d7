"""The report as a table, as JSON, as a page and inside a Markdown file."""

from dataclasses import fields
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO

import orjson
import pytest
from playwright.async_api import Browser, Page
from rich.console import Console

from app.bench import page, tables
from app.bench.clients import CLIENTS
from app.bench.columns import columns_of
from app.bench.fetches import Cost, Report
from app.bench.reports import write_markdown
from app.bench.screens import SCREENS, Target
from app.bench.tables import MARKERS
from app.bench.wire import CannotMeasure
from tests.bench.conftest import plan_for

URL = "http://127.0.0.1:8000"
BEGIN, END = MARKERS
VOID_ELEMENTS = {"meta", "link", "rect", "br"}


def cost_of(screen, client, first):
    """Return a cost whose numbers begin with `first`."""
    measures = [field.name for field in fields(Cost)][2:]
    counts = {name: first + number for number, name in enumerate(measures[:-2])}
    return Cost(screen=screen, client=client, **counts, wall_ms=first / 10 + 0.25, distant_ms=first + 1234.5)


def made_up(url=URL):
    """Return a report in which every number is another."""
    costs = [
        cost_of(screen.name, client, 1_000 * place + 100 * step)
        for place, screen in enumerate(SCREENS)
        for step, client in enumerate(CLIENTS)
    ]
    return Report(
        plan_for(url, runs=9, every=True, grpc="127.0.0.1:1"),
        Target("123", "77"),
        datetime(2026, 11, 22, tzinfo=UTC),
        tuple(costs),
    )


def printed(report, width):
    """Return the terminal's table as text."""
    console = Console(width=width, record=True, file=StringIO())
    tables.print_table(report, console)
    return console.export_text()


@pytest.mark.parametrize("width", [40, 80, 130, 200])
def test_terminal_table_shows_every_number_whole(width):
    report = made_up()
    text = printed(report, width)

    assert "…" not in text
    for cost in report.costs:
        row = [column.text(cost) for column in columns_of(report.plan)]
        assert row in [line.split()[-10:] for line in text.splitlines()]
    assert [line.strip() for line in text.splitlines() if line.strip() in {s.name for s in SCREENS}] == [s.name for s in SCREENS]


def test_json_holds_every_number_and_how_it_came_about_but_no_token():
    report = made_up()
    document = orjson.loads(tables.as_json(report))

    assert document["takenAt"] == "2026-11-22T00:00:00+00:00"
    assert (document["url"], document["userId"], document["postId"], document["runs"]) == (URL, "123", "77", 9)
    assert set(document["versions"]) == {"feedgraph", "python", "aiohttp"}
    for screen in document["screens"]:
        for cost in screen["costs"]:
            assert Cost(screen=screen["name"], **cost) in report.costs
            assert set(cost) - {"client"} == set(document["columns"])
        assert screen["query"].startswith("query ")
    assert report.plan.token.encode() not in tables.as_json(report)


def test_markdown_replaces_what_stands_between_the_markers_and_nothing_else(tmp_path):
    path = tmp_path / "README.md"
    before, behind = "# Title é\n\n```\nx\n```\n", "\nThe end, without a newline"
    path.write_text(f"{before}{BEGIN}\nold | table\n{END}{behind}", encoding="utf-8")

    for _ in range(2):  # the second time it replaces its own
        write_markdown(path, tables.as_markdown(made_up()), MARKERS)
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"{before}{BEGIN}\n")
        assert text.endswith(f"\n{END}{behind}")
        assert text.count(BEGIN) == text.count(END) == 1
        assert "old" not in text
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert len(rows) == 1 + len(SCREENS) * len(CLIENTS)
        assert {line.count("|") for line in rows} == {13}


def test_markdown_begins_a_file_that_is_not_there(tmp_path):
    write_markdown(tmp_path / "new.md", tables.as_markdown(made_up()), MARKERS)
    assert (tmp_path / "new.md").read_text(encoding="utf-8").startswith(f"{BEGIN}\n\n| screen | client | requests |")


@pytest.mark.parametrize("text", ["", "words", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_markdown_file_without_its_place_stays_as_it_is(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(CannotMeasure, match=r"README\.md must have the lines"):
        write_markdown(path, tables.as_markdown(made_up()), MARKERS)
    assert path.read_text(encoding="utf-8") == text


class Outline(HTMLParser):
    """Follows elements as they open and close."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def test_page_is_well_formed_whole_and_points_nowhere():
    html = page.as_html(made_up())
    outline = Outline()
    outline.feed(html)

    assert outline.open == []
    assert "{{" not in html
    tags = [tag for tag, _ in outline.seen]
    assert tags.count("svg") == len(page.PLOTTED)
    assert tags.count("rect") == len(page.PLOTTED) * len(SCREENS) * len(CLIENTS)
    links = [value for _, attributes in outline.seen for name, value in attributes.items() if name in {"src", "href"}]
    assert links == ["data:,"]


def test_page_shows_an_odd_address_as_text():
    html = page.as_html(made_up("http://127.0.0.1/<script>alert(1)</script>{{plots}}"))

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{plots}}" in html


async def rows_of(sheet: Page):
    """Return the table's rows as texts."""
    return await sheet.locator("tbody tr").evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")


@pytest.fixture
async def opened_page(browser: Browser, tmp_path):
    """The page from a file, in a dark and narrow window; it must not complain or ask for anything."""
    path = tmp_path / "fetches.html"
    path.write_text(page.as_html(made_up()), encoding="utf-8")
    context = await browser.new_context(color_scheme="dark", viewport={"width": 400, "height": 800})
    sheet = await context.new_page()
    complaints, requests = [], []
    sheet.on("console", lambda message: complaints.append(message.text))
    sheet.on("pageerror", lambda error: complaints.append(str(error)))
    sheet.on("request", lambda request: requests.append(request.url))
    await sheet.goto(path.as_uri())
    yield sheet
    await context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.browser
async def test_page_sorts_by_a_heading_up_and_then_down(opened_page):
    for place, column in enumerate(columns_of(made_up().plan), start=2):
        numbers = {(cost.screen, cost.client): column.of(cost) or 0 for cost in made_up().costs}
        ordered = sorted(numbers, key=numbers.__getitem__)
        heading = opened_page.locator("thead th").nth(place)

        await heading.locator("button").click()
        assert await heading.get_attribute("aria-sort") == "ascending"
        assert [(row[0], row[1]) for row in await rows_of(opened_page)] == ordered

        await heading.locator("button").click()
        assert await heading.get_attribute("aria-sort") == "descending"
        assert [(row[0], row[1]) for row in await rows_of(opened_page)] == ordered[::-1]
        assert await opened_page.locator("[aria-sort]").count() == 1


@pytest.mark.browser
async def test_page_fits_a_narrow_window_and_follows_the_dark(opened_page):
    assert await opened_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert await opened_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"


@pytest.mark.browser
async def test_longest_bar_of_a_plot_belongs_to_the_largest_number(opened_page):
    lengths = await opened_page.locator("svg").first.locator("rect").evaluate_all("bars => bars.map(bar => bar.getBBox().width)")
    requests = [cost.requests for cost in made_up().costs]

    assert len(lengths) == len(requests)
    assert lengths.index(max(lengths)) == requests.index(max(requests))
    assert all(
        (one > other) == (length > other_length)
        for one, length in zip(requests, lengths, strict=True)
        for other, other_length in zip(requests, lengths, strict=True)
        if max(one, other) > 50  # below, bars have the least length
    )
