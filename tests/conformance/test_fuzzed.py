"""schemathesis over the faces that describe themselves: whatever it makes up, nothing fails on our side, and every answer is one
that the description allows. `pytest --fuzz 200` tries harder."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from app.domain.demo import DEMO_TOKEN
from app.transports.errors import ROWS
from app.transports.rest.routes import ROUTES

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.usefixtures("demo_world")]

SEED = "20261129"
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance"),
    *("use_after_free", "ensure_resource_availability", "ignored_auth"),
)
# Signing out would end the session of all other requests.
CONFIGURATION = """
generation.allow-extra-parameters = false
[[operations]]
include-operation-id = "signOut"
headers = {{ Authorization = "Bearer {token}" }}
"""
FAULTS = {code for code, row in ROWS.items() if row.is_logged}


@pytest.fixture
def examples(request):
    """How many examples are made up for each operation."""
    return request.config.getoption("--fuzz")


@pytest.fixture
async def patient_server(start_server):
    """A server that has time, however busy the machine is."""
    return await start_server(query_timeout_s=60, mutation_timeout_s=60, statement_timeout_s=60, long_poll_max_s=0.05)


async def test_rest_keeps_what_its_document_says(patient_server, tmp_path, examples):
    server = patient_server
    leaving = await server.person("leaving")
    config, document = tmp_path / "schemathesis.toml", tmp_path / "openapi.json"
    config.write_text(CONFIGURATION.format(token=leaving.token))
    document.write_text(json.dumps(await document_without_deadlines(server)))
    command = [
        *(str(Path(sys.executable).with_name("st")), "--no-color", "--config-file", str(config)),
        *("run", str(document), "--url", server.url, "--header", f"Authorization: Bearer {DEMO_TOKEN}"),
        *("--seed", SEED, "--max-examples", str(examples), "--phases", "coverage,fuzzing"),
        *("--checks", ",".join(CHECKS), "--warnings", "off", "--request-timeout", "60"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()

    assert process.returncode == 0, output
    assert f"Tested: {len(ROUTES) + 1}" in output  # /events is another face's


async def document_without_deadlines(server):
    """Return the document without X-Request-Timeout: whoever asks for a deadline of a millisecond gets 504, as promised."""
    async with server.http.get(f"{server.url}/api/openapi.json") as response:
        document = await response.json()
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [told for told in operation["parameters"] if told["name"] != "X-Request-Timeout"]
    return document


# The server runs in this process beside the thread that makes examples up: its jitter looks to hypothesis like a strategy's own.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_graphql_answers_whatever_its_schema_allows(patient_server, examples):
    server = patient_server
    leaving = await server.person("leaving")

    def probe():
        schema = schemathesis.graphql.from_url(f"{server.url}/graphql")
        operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
        for operation in operations:
            token = leaving.token if operation.label == "Mutation.signOut" else DEMO_TOKEN
            probe_operation(operation, token, examples)
        return {operation.label for operation in operations}

    assert {"Query.node", "Query.feed", "Mutation.createPost", "Mutation.signOut"} <= await asyncio.to_thread(probe)


def probe_operation(operation, token, examples):
    """Send made-up operations with this root field."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/graphql-response+json"}
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=quiet,
        phases=[Phase.generate],
    )
    @given(operation.as_strategy())
    def probe(case):
        response = case.call(headers=headers)
        body = response.json()
        codes = {error["extensions"]["code"] for error in body.get("errors", [])}
        assert codes <= set(ROWS) - FAULTS, (case.body, body)
        assert response.status_code == 200 or (400 <= response.status_code < 500 and "data" not in body)
        assert "data" in body or codes

    probe()
