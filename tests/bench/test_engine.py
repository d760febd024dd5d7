"""`feedgraph bench engine`: what it measures, and that it refuses to compare what is not the same."""

import json
import os

import pytest

from app.bench.engine import FLOOR, PLAN, QUERIES, STOCK, EnginePlan, EngineReport, Sample, Variant, measure
from app.bench.engine_tables import as_markdown, verdicts
from app.bench.processes import cpu_s, family_cpu_s
from app.bench.wire import CannotMeasure
from app.domain.demo import DEMO_TOKEN
from tests.bench.test_command import processes_at, run, temporary

__all__ = ["temporary"]  # a fixture

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

TINY = ("--users", "130", "--posts", "300", "--replies", "600", "--follows", "700", "--likes", "100")


def quiet(*_args):
    """Show no progress."""


def sample(query: str, variant: str, server_ms: float, postgres_ms: float = 1.0) -> Sample:
    return Sample(query, variant, 1.0, server_ms, postgres_ms, 1.0, 1.0)


@pytest.mark.slow
async def test_the_command_measures_all_variants_and_writes_its_reports(temporary):
    outputs = temporary / "report.json", temporary / "report.md"
    places = ("--data-dir", temporary / "data", "--json", outputs[0], "--markdown", outputs[1])
    status, out, err = await run(*TINY, "--seconds", "0.05", "--rounds", "1", *map(str, places), command="engine")
    assert status == 0, err
    report = json.loads(outputs[0].read_bytes())
    assert {(row["query"], row["variant"]) for row in report["medians"]} == {
        *((query, name) for query in QUERIES for name in (PLAN, STOCK)),
        ("Q2", FLOOR),
    }
    assert all(row["per_s"] > 0 and row["server_ms"] >= 0 for row in report["medians"])
    assert outputs[1].read_text().count("\n| Q2 |") == 3
    assert "times less server CPU than stock" in out
    assert processes_at(temporary) == []


async def test_what_is_answered_differently_is_not_measured(demo_world, start_server):
    one, other = await start_server(), await start_server(max_page_size=10)
    variants = [Variant(name, int(server.url.rpartition(":")[2]), os.getpid()) for name, server in ((PLAN, one), (STOCK, other))]
    plan = EnginePlan(variants, os.getpid(), DEMO_TOKEN, demo_world.users, 0.05, 1, 2)
    with pytest.raises(CannotMeasure, match="Q1 by stock answered 200"):
        await measure(plan, quiet)


def test_ratios_are_those_of_rounds():
    plan = EnginePlan([Variant(PLAN, 1, 1), Variant(STOCK, 2, 2), Variant(FLOOR, 3, 3, ("Q2",))], 1, "", 5, 1.0, 3, 16)
    report = EngineReport(plan)
    for plan_ms, stock_ms, floor_ms in ((1.0, 8.0, 1.0), (2.0, 20.0, 1.0), (1.0, 12.0, 0.5)):  # the second round was a slow one
        for query in QUERIES:
            report.samples += [sample(query, PLAN, plan_ms), sample(query, STOCK, stock_ms)]
        report.samples.append(sample("Q2", FLOOR, floor_ms))
    assert report.times_less("Q2") == 10
    assert report.times_floor == pytest.approx(4 / 3)
    assert verdicts(report) == [
        "Q1: 10.0 times less server CPU than stock (wanted: 4)",
        "Q2: 10.0 times less server CPU than stock (wanted: 10)",
        "Q3: 10.0 times less server CPU than stock (wanted: 8)",
        "Q2: 1.33 times the total CPU of the page by hand (wanted: at most 1.5)",
    ]
    assert "| Q2 | by hand | 1 | 1.000 | 1.000 | 2.000 |" in as_markdown(report)


def test_a_process_that_is_gone_cannot_be_measured():
    assert family_cpu_s(os.getpid()) >= cpu_s(os.getpid()) > 0
    with pytest.raises(CannotMeasure, match="CPU time of process"):
        cpu_s(2**22 + 1)
