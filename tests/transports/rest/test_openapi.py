"""The OpenAPI document: valid, complete, and true."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.transports.errors import ROWS
from app.transports.rest.routes import ROUTES
from tests.transports.rest.asking import POST_KEYS, USER_KEYS, ask

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture
async def document(server):
    """The document as it is served."""
    return (await ask(server, "/api/openapi.json")).body


async def test_the_document_is_valid_and_served_like_a_resource(server):
    response = await ask(server, "/api/openapi.json")

    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    OpenAPIV31SpecValidator(response.body).validate()
    again = await ask(server, "/api/openapi.json", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status, again.raw) == (304, b"")


async def test_every_route_stands_in_the_document_and_answers_at_its_address(server, document):
    operations = {(method, path): told for path, methods in document["paths"].items() for method, told in methods.items()}
    assert len({told["operationId"] for told in operations.values()}) == len(operations) == len(ROUTES) + 1
    assert ("get", "/api/v1/events") in operations  # the one that another face mounts
    for method, path in operations:
        response = await ask(server, path.replace("{id}", "1"), "OPTIONS")
        assert method.upper() in response.headers["Allow"].split(", ")


async def test_an_operation_tells_what_comes_in_and_what_goes_out(document):
    told = document["paths"]["/api/v1/posts"]["post"]

    assert told["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewPost"}
    assert told["responses"]["201"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Post"}
    assert set(told["responses"]["201"]["headers"]) == {"Location", "RateLimit", "RateLimit-Policy"}
    assert told["security"] == [{"bearer": []}]
    assert document["paths"]["/api/v1/posts"]["get"]["security"] == [{}, {"bearer": []}]
    parameters = {parameter["name"]: parameter["in"] for parameter in told["parameters"]}
    assert parameters == {
        **dict.fromkeys(("fields", "include", "repliesFirst"), "query"),
        **dict.fromkeys(("X-Request-Timeout", "Idempotency-Key"), "header"),
    }


async def test_resources_have_the_keys_that_are_shown(document):
    schemas = document["components"]["schemas"]
    assert set(schemas["PostResource"]["properties"]) == POST_KEYS
    assert set(schemas["UserResource"]["properties"]) == USER_KEYS
    assert set(schemas["Post"]["properties"]) - POST_KEYS == {"author", "inReplyTo", "replies", "viewerHasLiked", "media"}
    assert (schemas["Post"]["required"], schemas["Post"]["additionalProperties"]) == (["postId"], False)


async def test_every_code_that_the_document_names_is_one_with_this_status(document):
    for methods in document["paths"].values():
        for told in methods.values():
            for status, response in told["responses"].items():
                if int(status) >= 400:
                    codes = re.findall(r"[A-Z_]{4,}", response["description"])
                    assert codes
                    assert {ROWS[code].status for code in codes} == {int(status)}


async def test_listening_is_described_from_its_declaration(document):
    told = document["paths"]["/api/v1/events"]["get"]

    assert told["tags"] == ["events"]
    assert {parameter["name"]: parameter["required"] for parameter in told["parameters"]} == {
        "topics": True,
        **dict.fromkeys(("after", "wait", "If-None-Match", "Last-Event-ID"), False),
    }
    assert set(told["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(told["responses"]) >= {"200", "204", "304", "400", "401", "404", "406", "422", "429"}
    assert "Feedgraph-Cursor" in told["responses"]["204"]["headers"]
